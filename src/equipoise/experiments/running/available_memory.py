"""How much memory this process may still use: that of the machine, of its container, of a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from equipoise.image_rows import MOST_COPIED, copies_up_to

GIB = 2**30
COPIED_SHARE = 1 / 64  # of a bound of memory: a cell copies up to five sets of images
CGROUP = Path("/sys/fs/cgroup")
LIMITS = (  # files of a container's limit and of what it uses: version 2 of cgroups, version 1
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def available_memory(device: str = "cpu") -> int:
    """Return the free bytes of the machine or of a container's share; of the GPU for a CUDA device.

    Args:
        device: "auto", "cpu", "cuda", ...

    Raises:
        SettingError: There is no such device.
    """
    import torch

    from equipoise.training.devices import resolve_device

    resolved = resolve_device(device)
    if resolved.type == "cuda":
        return int(torch.cuda.mem_get_info(resolved)[0])
    of_machine = int(psutil.virtual_memory().available)
    of_container = container_memory(CGROUP)
    return of_machine if of_container is None else min(of_machine, of_container)


def container_memory(folder: Path) -> int | None:
    """Return the free bytes of a container; None where it has no limit.

    File caches count as free, because the system gives them up.

    Args:
        folder: Where the control groups are mounted.
    """
    for limit_name, usage_name, stat_name in LIMITS:
        try:
            limit = (folder / limit_name).read_text().strip()
            usage = int((folder / usage_name).read_text())
            stat = (folder / stat_name).read_text()
        except (OSError, ValueError):
            continue
        if not limit.isdigit():  # "max"
            return None
        cached = 0
        for line in stat.splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                cached = max(cached, int(value))
        return max(0, int(limit) - usage + cached)
    return None


@contextmanager
def copies_within(max_memory: int | None) -> Iterator[None]:
    """Let this process copy fewer images inside the block where its memory is bounded.

    Args:
        max_memory: Bytes that the cells of a machine may use together; None without a bound.

    Example:
        >>> from equipoise.image_rows import most_copied
        >>> with copies_within(2 * GIB):
        ...     most_copied() / 2**20
        32.0
    """
    if max_memory is None:
        yield
        return
    with copies_up_to(min(MOST_COPIED, int(COPIED_SHARE * max_memory))):
        yield


def gib(n_bytes: float) -> str:
    """Format bytes: 3.2 GB of 2^30 bytes."""
    return f"{n_bytes / GIB:.1f} GB"
