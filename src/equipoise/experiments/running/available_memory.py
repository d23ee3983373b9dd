"""How much memory this process may still use: that of the machine, of its container, of a GPU."""

from pathlib import Path

import psutil

GIB = 2**30
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


def gib(n_bytes: float) -> str:
    """Format bytes: 3.2 GB of 2^30 bytes."""
    return f"{n_bytes / GIB:.1f} GB"
