"""Random generators tied to the step: a resumed fit draws what an uninterrupted one draws."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from equipoise.randomness import derive_seed


@contextmanager
def isolated_chance(*parts: object) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python inside a block, and restore them.

    Kornia and dropout draw from the global generators; those of the caller must not change.

    Args:
        parts: What the seed is derived from.

    Example:
        >>> with isolated_chance("fit", 0):
        ...     first = torch.rand(1)
        >>> with isolated_chance("fit", 0):
        ...     torch.equal(torch.rand(1), first)
        True
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 (restored, not used)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        seed_step(*parts)
        np.random.seed(derive_seed(*parts, "numpy") % 2**32)  # noqa: NPY002
        random.seed(derive_seed(*parts, "python"))
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def seed_step(*parts: object) -> None:
    """Seed torch on every device from any parts, for example `seed_step(seed, step)`."""
    seed = derive_seed(*parts)
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:  # torch.manual_seed would spend a millisecond on absent devices
        torch.default_generator.manual_seed(seed)


@contextmanager
def repeatable_kernels() -> Iterator[None]:
    """Make cuDNN choose the same kernels every time inside a block, for identical results."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
