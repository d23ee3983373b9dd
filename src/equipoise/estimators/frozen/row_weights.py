"""Weights of training rows that stand for the batch samplers: each row's expected share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels
from equipoise.discovery import Family, pick

RowWeights = NDArray[np.float64]  # (n,), mean 1
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledImages:
    """What a batch sampler draws from.

    Attributes:
        codes: (n,) classes 0..k-1, each present.
        synthetic: (n,) True where the image is synthetic.
        synthetic_share: Share of synthetic images in a batch of `synthetic_mix`; None for their
            share in the images.
    """

    codes: Labels
    synthetic: Mask
    synthetic_share: float | None = None


def natural(images: SampledImages) -> RowWeights:
    """Weight all rows alike."""
    return np.ones(len(images.codes))


def balanced(images: SampledImages) -> RowWeights:
    """Weight rows so that every class has the same share."""
    return by_class(images, np.ones(int(images.codes.max()) + 1))


def square_root(images: SampledImages) -> RowWeights:
    """Weight rows so that the share of a class is proportional to the root of its size."""
    return by_class(images, np.sqrt(np.bincount(images.codes)))


def progressive(images: SampledImages) -> RowWeights:
    """Weight rows as natural and balanced batches do on average: over the training, half each."""
    return 0.5 * (natural(images) + balanced(images))


def synthetic_mix(images: SampledImages) -> RowWeights:
    """Weight rows so that synthetic ones have the share `synthetic_share`."""
    share = images.synthetic_share
    n, n_synthetic = len(images.codes), int(images.synthetic.sum())
    if share is None or n_synthetic in (0, n):
        return natural(images)
    of_synthetic, of_real = share * n / n_synthetic, (1.0 - share) * n / (n - n_synthetic)
    return np.where(images.synthetic, of_synthetic, of_real)


def by_class(images: SampledImages, shares: NDArray[np.float64]) -> RowWeights:
    """Weight rows so that classes have shares (k,), up to a factor."""
    sizes = np.bincount(images.codes)
    weights = (shares / shares.sum() / sizes)[images.codes]
    return np.asarray(weights * len(images.codes))


ROW_WEIGHTS: Mapping[str, Callable[[SampledImages], RowWeights]] = {
    "natural": natural,
    "balanced": balanced,
    "square_root": square_root,
    "progressive": progressive,
    "synthetic_mix": synthetic_mix,
}
FAMILY = Family(
    name="row_weights",
    summary="What batch samplers become where every step sees all images.",
    members=ROW_WEIGHTS,
)


def row_weights(name: str, images: SampledImages, synthetic_weight: float) -> RowWeights:
    """Return the weights (n,) of rows for a batch sampler; those of synthetic rows are multiplied.

    Example:
        >>> images = SampledImages(codes=np.array([0, 0, 0, 1]), synthetic=np.zeros(4, dtype=bool))
        >>> row_weights("balanced", images, 1.0).round(2).tolist()
        [0.67, 0.67, 0.67, 2.0]
    """
    weights = pick(ROW_WEIGHTS, name, "batch sampler")(images)
    return np.asarray(np.where(images.synthetic, synthetic_weight, 1.0) * weights)
