"""Torch's chance, tied to the step: a resumed fit draws what an uninterrupted one would have drawn."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from equipoise.randomness import derive_seed


@contextmanager
def isolated_chance(*parts: object) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python for the block, and put back their states after it.

    Kornia and dropout draw from the global generators; a caller's own chance must not notice.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 (restored, not used)
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
    else:  # torch.manual_seed would spend a millisecond on devices that are not there
        torch.default_generator.manual_seed(seed)


@contextmanager
def repeatable_kernels() -> Iterator[None]:
    """Let cuDNN take the same kernels every time inside the block, or equal chance would not give equal bits."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
