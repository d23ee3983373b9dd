"""Batch samplers draw rows; `ResidentBatches` keeps the images on the device."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Images, Labels, Rows, ValueRange
from equipoise.discovery import Family
from equipoise.image_rows import ImageRows, ImageSource, blocks
from equipoise.randomness import make_rng
from equipoise.training.loop import Batch

Value = TypeVar("Value")

RESIDENT_SHARE = 0.5  # of the free memory of a GPU, for images that else stay in mapped files

BatchSampler = Callable[[int], Rows]  # step -> rows of its batch, whatever was drawn before


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """What a batch sampler draws from, and for how long.

    Attributes:
        labels: (n,) labels of the images.
        batch_size: Rows in a batch.
        n_steps: Batches of the whole fit, for samplers that change during training.
        seed: Seed of the draws.
        synthetic: (n,) True where the image is synthetic; None where all are real.
        synthetic_share: Share of synthetic rows in a batch of `synthetic_mix`; None for their share
            in the pool.
    """

    labels: Labels
    batch_size: int
    n_steps: int
    seed: int
    synthetic: NDArray[np.bool_] | None = None
    synthetic_share: float | None = None


def natural(pool: Pool) -> BatchSampler:
    """Draw shuffled passes over the data, each image once per pass; a batch may span passes."""
    return _passes(np.arange(len(pool.labels)), pool.batch_size, pool.seed, "natural")


def balanced(pool: Pool) -> BatchSampler:
    """Draw the same number of images of every class: B/K, the remainder from random classes."""
    draw, sizes = _member_of_class(pool.labels)

    def rows(step: int) -> Rows:
        rng = make_rng(pool.seed, "balanced", step)
        return draw(rng, np.resize(rng.permutation(len(sizes)), pool.batch_size))

    return rows


def square_root(pool: Pool) -> BatchSampler:
    """Draw a class with probability proportional to the root of its size, then an image of it."""
    roots = np.sqrt(_member_of_class(pool.labels)[1])
    return _by_chance(pool, "square root", lambda _step: roots / roots.sum())


def progressive(pool: Pool) -> BatchSampler:
    """Draw classes by their sizes at first and uniformly in the end, then one image of the class.

    Source: Kang et al. (2020), Eq. 2: p_k(t) = (1 - t/T) n_k/n + (t/T)/K. Difference: T is the
    number of steps, not of epochs.
    """
    sizes = _member_of_class(pool.labels)[1]

    def shares(step: int) -> NDArray[np.float64]:
        done = step / pool.n_steps
        natural_shares = (1.0 - done) * sizes / sizes.sum()
        return np.asarray(natural_shares + done / len(sizes))

    return _by_chance(pool, "progressive", shares)


def synthetic_mix(pool: Pool) -> BatchSampler:
    """Draw the same number of synthetic images for every batch, in passes separate from real ones.

    It is round(r B), where r is `synthetic_share` or their share in the pool, but at least one
    image of either kind, so that a small share does not vanish. Without synthetic images this is
    `natural`.
    """
    if pool.synthetic is None or pool.synthetic.all() or not pool.synthetic.any():
        return natural(pool)
    share = float(pool.synthetic.mean()) if pool.synthetic_share is None else pool.synthetic_share
    n_synthetic = min(max(round(share * pool.batch_size), 1), pool.batch_size - 1)
    n_real = pool.batch_size - n_synthetic
    real = _passes(np.flatnonzero(~pool.synthetic), n_real, pool.seed, "real")
    synthetic = _passes(np.flatnonzero(pool.synthetic), n_synthetic, pool.seed, "synthetic")
    return lambda step: np.concatenate([real(step), synthetic(step)])


BATCH_SAMPLERS: dict[str, Callable[[Pool], BatchSampler]] = {
    "natural": natural,
    "balanced": balanced,
    "square_root": square_root,
    "progressive": progressive,
    "synthetic_mix": synthetic_mix,
}
FAMILY = Family(
    name="batch_samplers",
    summary="Ways of drawing the images of a batch.",
    members=BATCH_SAMPLERS,
)


def _passes(members: Rows, batch_size: int, seed: int, name: str) -> BatchSampler:
    """Draw shuffled passes over some rows."""
    n = len(members)

    @lru_cache(maxsize=2)
    def order(number: int) -> Rows:
        return members[make_rng(seed, name, number).permutation(n)]

    def rows(step: int) -> Rows:
        draws = np.arange(step * batch_size, (step + 1) * batch_size)
        passes, places = np.divmod(draws, n)
        parts = []
        for number in range(passes[0], passes[-1] + 1):
            parts.append(order(number)[places[passes == number]])
        return np.concatenate(parts)

    return rows


def _member_of_class(labels: Labels) -> tuple[Callable[[np.random.Generator, Rows], Rows], Rows]:
    """Return a function that draws one row per requested class, and the sizes of the classes."""
    by_class = np.argsort(labels, kind="stable")
    sizes = np.unique(labels, return_counts=True)[1]
    starts = np.cumsum(sizes) - sizes

    def draw(rng: np.random.Generator, classes: Rows) -> Rows:
        rows: Rows = by_class[starts[classes] + rng.integers(sizes[classes])]
        return rows

    return draw, sizes


def _by_chance(pool: Pool, name: str, shares: Callable[[int], NDArray[np.float64]]) -> BatchSampler:
    """Draw each row's class by the shares of the step, then one of its images."""
    draw, sizes = _member_of_class(pool.labels)

    def rows(step: int) -> Rows:
        rng = make_rng(pool.seed, name, step)
        return draw(rng, rng.choice(len(sizes), size=pool.batch_size, p=shares(step)))

    return rows


class ReadAhead(Generic[Value]):
    """Computes the value of the next step in a thread, while the caller uses that of this one.

    Args:
        compute: Returns the value of a step, whatever was computed before. What it raises for a
            step is raised when that step is requested.

    Example:
        >>> squares = ReadAhead(lambda step: step**2)
        >>> [squares(step) for step in (0, 1, 2, 7)]
        [0, 1, 4, 49]
    """

    def __init__(self, compute: Callable[[int], Value]) -> None:
        self._compute = compute
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="equipoise-batch")
        self._next_step = -1
        self._next: Future[Value] | None = None

    def __call__(self, step: int) -> Value:
        """Return the value of a step, and begin with the next one."""
        if self._next is None or step != self._next_step:
            value = self._compute(step)
        else:
            value = self._next.result()
        self._next_step = step + 1
        self._next = self._pool.submit(self._compute, self._next_step)
        return value


class ResidentBatches:
    """The batch of any step, from images that are moved to the device once in their storage type.

    Images by reference stay where they are, unless a GPU has memory for them (`fits_on`), and are
    read batch by batch; for a GPU, the next one is read into pinned memory during a step.

    Calling it with a step returns images (b, c, *spatial) float32 in [0, 1] and labels (b,) int64.

    Args:
        images: (n, c, *spatial) in storage type.
        labels: (n,) labels.
        sampler: Rows of a step.
        span: Values of black and white.
        device: Where the images are stored.

    Example:
        >>> images, labels = np.zeros((4, 1, 8, 8), dtype=np.uint8), np.array([0, 0, 0, 1])
        >>> sampler = balanced(Pool(labels=labels, batch_size=2, n_steps=5, seed=0))
        >>> cpu = torch.device("cpu")
        >>> batch = ResidentBatches(images, labels, sampler, span=(0.0, 255.0), device=cpu)(0)
        >>> sorted(batch[1].tolist())
        [0, 1]
    """

    def __init__(
        self,
        images: ImageSource,
        labels: Labels,
        sampler: BatchSampler,
        *,
        span: ValueRange,
        device: torch.device,
    ) -> None:
        self.images: Tensor | ImageRows
        if isinstance(images, ImageRows) and not fits_on(device, images.nbytes):
            self.images = images
        else:
            self.images = resident(images, device)
        self.labels = torch.as_tensor(labels, device=device)
        self.sampler = sampler
        self.span = span
        self.read: Callable[[int], tuple[Rows, Tensor]] = self._gathered
        if device.type == "cuda":
            self.read = ReadAhead(self._gathered)

    def __call__(self, step: int) -> Batch:
        """Return the batch of `step`."""
        device = self.labels.device
        if isinstance(self.images, Tensor):
            places = torch.as_tensor(self.sampler(step)).to(device, non_blocking=True)
            images = self.images[places]
        else:
            rows, gathered = self.read(step)
            places = torch.as_tensor(rows).to(device, non_blocking=True)
            images = gathered.to(device, non_blocking=True)
        return to_unit(images, self.span), self.labels[places]

    def _gathered(self, step: int) -> tuple[Rows, Tensor]:
        """Return the rows of a step and their images, which do not stay on the device."""
        rows = self.sampler(step)
        images = stored_tensor(np.asarray(self.images[rows]))
        return rows, images.pin_memory() if self.labels.device.type == "cuda" else images


def fits_on(device: torch.device, n_bytes: int) -> bool:
    """Return whether images stay on a device: a GPU with `RESIDENT_SHARE` of its free memory."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= RESIDENT_SHARE * free


def resident(images: ImageSource, device: torch.device) -> Tensor:
    """Move images to a device in their storage type; see `stored_tensor`."""
    if isinstance(images, ImageRows):
        return torch.cat([resident(block, device) for block in blocks(images)])
    return stored_tensor(images).to(device)


def stored_tensor(images: Images) -> Tensor:
    """Return images as a tensor of their storage type; uint16 as int32, which torch can index."""
    array = images.astype(np.int32) if images.dtype == np.uint16 else np.ascontiguousarray(images)
    return torch.as_tensor(np.array(array) if not array.flags.writeable else array)


def to_unit(images: Tensor, span: ValueRange) -> Tensor:
    """Scale stored values to float32 in [0, 1], clamped to the training range."""
    low, high = span
    shifted = images.to(torch.float32) - low  # a new tensor: `sub_` would write into float32 images
    return shifted.div_(high - low).clamp_(0.0, 1.0)
