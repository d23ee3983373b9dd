"""Batch samplers choose rows; `ResidentBatches` keeps the images on the device and converts them there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Images, Labels, Rows, ValueRange
from equipoise.randomness import make_rng
from equipoise.training.loop import Batch

BatchSampler = Callable[[int], Rows]  # step -> rows of that step's batch, whatever was drawn before


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """What a batch sampler chooses from, and for how long.

    Attributes:
        labels: (n,) labels of the images.
        batch_size: Rows in a batch.
        n_steps: Batches of the whole fit, for samplers that change on the way.
        seed: Seed of the choice.
        synthetic: (n,) True where the image is synthetic; None where all are real.
    """

    labels: Labels
    batch_size: int
    n_steps: int
    seed: int
    synthetic: NDArray[np.bool_] | None = None


def natural(pool: Pool) -> BatchSampler:
    """Walk through shuffled passes over the data, each image once in a pass; a batch may span passes."""
    n, batch_size, seed = len(pool.labels), pool.batch_size, pool.seed

    @lru_cache(maxsize=2)
    def order(number: int) -> Rows:
        return make_rng(seed, "natural", number).permutation(n)

    def rows(step: int) -> Rows:
        passes, places = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), n)
        parts = [order(number)[places[passes == number]] for number in range(passes[0], passes[-1] + 1)]
        return np.concatenate(parts)

    return rows


def balanced(pool: Pool) -> BatchSampler:
    """Give every class that occurs the same number of places (B/K, the remainder to classes by lot)."""
    by_class = np.argsort(pool.labels, kind="stable")
    sizes = np.unique(pool.labels, return_counts=True)[1]
    starts = np.cumsum(sizes) - sizes

    def rows(step: int) -> Rows:
        rng = make_rng(pool.seed, "balanced", step)
        owners = np.resize(rng.permutation(len(sizes)), pool.batch_size)
        chosen: Rows = by_class[starts[owners] + rng.integers(sizes[owners])]
        return chosen

    return rows


BATCH_SAMPLERS: dict[str, Callable[[Pool], BatchSampler]] = {
    "natural": natural,
    "balanced": balanced,
}


class ResidentBatches:
    """The batch of any step, from images that were moved to the device once in their storage type.

    Calling it with a step returns images (b, c, *spatial) float32 in [0, 1] and labels (b,) int64.
    """

    def __init__(
        self, images: Images, labels: Labels, sampler: BatchSampler, *, span: ValueRange, device: torch.device
    ) -> None:
        self.images = resident(images, device)
        self.labels = torch.as_tensor(labels, device=device)
        self.sampler = sampler
        self.span = span

    def __call__(self, step: int) -> Batch:
        """Return the batch of `step`."""
        rows = torch.as_tensor(self.sampler(step)).to(self.images.device, non_blocking=True)
        return to_unit(self.images[rows], self.span), self.labels[rows]


def resident(images: Images, device: torch.device) -> Tensor:
    """Move images to the device in their storage type (uint16 as int32: torch indexes it on every device)."""
    array = images.astype(np.int32) if images.dtype == np.uint16 else np.ascontiguousarray(images)
    return torch.as_tensor(np.array(array) if not array.flags.writeable else array).to(device)


def to_unit(images: Tensor, span: ValueRange) -> Tensor:
    """Turn stored values into float32 in [0, 1], clamped to the training range."""
    low, high = span
    shifted = images.to(torch.float32) - low  # a new tensor: `sub_` would write into float32 images
    return shifted.div_(high - low).clamp_(0.0, 1.0)
