"""Where a fit runs, and in which precision."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from equipoise.discovery import pick
from equipoise.exceptions import SettingError

PRECISIONS: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16}


def resolve_device(name: str) -> torch.device:
    """Turn "auto" (the best there is: cuda, mps, cpu) or a device's name into a device of this machine.

    Raises:
        SettingError: Not the name of a device, or this machine has none of that kind.
    """
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _count(kind)))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError(
            f"No device named '{name}'. Use auto, cpu, cuda, cuda:0 or mps."
        ) from error
    if (device.index or 0) >= _count(device.type):
        there = [kind for kind in ("cuda", "mps", "cpu") if _count(kind)]
        raise SettingError(
            f"Device '{name}' is not available here. Available: {', '.join(there)}; or use 'auto'."
        )
    return device


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Give what makes the context of a forward pass: plain float32, or bfloat16 where torch holds it safe.

    float16 is left out: it needs a loss scale whose state would have to be resumed too.

    Raises:
        SettingError: No such precision.
    """
    dtype = pick(PRECISIONS, precision, "precision")
    if dtype is None:
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count()
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(kind == "cpu")
