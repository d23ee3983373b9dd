"""The environment of a result besides its settings: versions of libraries, machine, device."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import psutil

# Results are bit-equal only under the same versions of these, so a run has one set of them.
PACKAGES = ("equipoise", "torch", "numpy", "scikit-learn", "imbalanced-learn", "monai", "kornia")


def versions() -> dict[str, str]:
    """Return the installed version of every library that affects a result."""
    return {name: _version(name) for name in PACKAGES}


@cache
def _version(name: str) -> str:
    """Return a version from a cache: every cell needs it, and a package has many files."""
    return version(name)


def machine() -> dict[str, Any]:
    """Return system, processor, usable cores, memory in GB and version of Python."""
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
    }


def available_cores() -> int:
    """Return the number of cores that this process may use: a container's share, not the host's."""
    from joblib import cpu_count  # type: ignore[import-untyped]  # knows cgroups and affinity; comes with sklearn

    return int(cpu_count())


def device_name(device: str) -> str:
    """Return what "auto", "cpu" or "cuda" resolves to: the model of the GPU, or "cpu"."""
    import torch

    from equipoise.training.devices import resolve_device

    resolved = resolve_device(device)
    return torch.cuda.get_device_name(resolved) if resolved.type == "cuda" else resolved.type


def _processor() -> str:
    """Return the model of the processor; `platform.processor` is empty on Linux."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (not a file on a disk)
            names = [
                line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
            ]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()
