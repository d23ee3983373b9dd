"""Where a fit runs, and in which precision."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from equipoise.discovery import pick
from equipoise.exceptions import SettingError

PRECISIONS: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16}
BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")  # of processors; the last one of ARM's
KINDS = ("cuda", "mps", "cpu")  # in the order in which "auto" prefers them


def resolve_device(name: str) -> torch.device:
    """Return the torch device of a name, or for "auto" the best one of this machine.

    Args:
        name: "auto" (cuda, mps or cpu, in this order), or the name of a device.

    Raises:
        SettingError: Not the name of a device, or this machine has none of that kind.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    available = [kind for kind in KINDS if _count(kind)]
    if name == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError(
            f"No device named '{name}'. Use auto, cpu, cuda, cuda:0 or mps."
        ) from error
    if (device.index or 0) >= _count(device.type):
        raise SettingError(
            f"Device '{name}' is not available here. Available: {', '.join(available)}; or use "
            "'auto'."
        )
    return device


def gpus_of(name: str) -> tuple[str, ...]:
    """Return the CUDA devices that a name stands for: all for "auto" and "cuda"; none elsewhere.

    Args:
        name: See `resolve_device`.

    Raises:
        SettingError: See `resolve_device`.

    Example:
        >>> gpus_of("cpu")
        ()
    """
    device = resolve_device(name)
    if device.type != "cuda":
        return ()
    if ":" in name:
        return (str(device),)
    return tuple(f"cuda:{index}" for index in range(_count("cuda")))


def available_devices() -> dict[str, str]:
    """Return a line about each device of this machine, by the name that `resolve_device` takes."""
    gpus = gpus_of("cuda") if _count("cuda") else ()
    best = ", ".join(gpus) or str(resolve_device("auto"))
    devices = {"auto": f"The best of this machine: {best}."}
    for gpu in gpus:
        properties = torch.cuda.get_device_properties(gpu)
        devices[gpu] = f"{properties.name}, {properties.total_memory / 2**30:.1f} GB."
    if _count("mps"):
        devices["mps"] = "The GPU of this Mac."
    devices["cpu"] = "The processor."
    return devices


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Return the factory of the context of a forward pass: float32, or bfloat16 where it is safe.

    float16 is not offered: it needs a loss scale whose state would have to be resumed, too.

    Args:
        precision: A name in `PRECISIONS`.
        device: Where the pass runs.

    Raises:
        SettingError: No such precision.
    """
    dtype = pick(PRECISIONS, precision, "precision")
    if dtype is None:
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 itself; others emulate it, slowly.

    Example:
        >>> has_bfloat16(torch.device("meta"))
        False
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    of_processor = getattr(torch.cpu, "get_capabilities", None)  # which older torch lacks
    capabilities: dict[str, object] = of_processor() if of_processor else {}
    return any(capabilities.get(name) for name in BFLOAT16_UNITS)


def _count(kind: str) -> int:
    """Return the number of devices of a kind."""
    if kind == "cuda":
        return torch.cuda.device_count()
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(kind == "cpu")
