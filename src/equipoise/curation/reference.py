"""Statistics of the real training images of a class: the thresholds of its synthetic images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Images, ValueRange
from equipoise.atomic import JsonFields
from equipoise.curation.density_ratio import DensityRatio, fit_density_ratio
from equipoise.metrics.memorization import Features, among

QUANTILE = 0.01  # of the real images: a synthetic one below it is an outlier


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """Statistics of the real training images of one class.

    Attributes:
        span: Values of black and white.
        spread: 1 % quantile of the standard deviations of their values, in storage units.
        features: (m, d) standardized, with the precision of float32.
        closest: 1 % quantile of the distances from each to its nearest neighbor.
        ratio: Density ratio of real images and synthetic images of the generator.
    """

    span: ValueRange
    spread: float
    features: Features
    closest: float
    ratio: DensityRatio

    def tensors(self) -> dict[str, Tensor]:
        """Return the arrays, to be saved."""
        return {
            "features": torch.from_numpy(self.features.astype(np.float32)),
            "weights": torch.from_numpy(self.ratio.weights),
        }

    def to_json(self) -> dict[str, float | ValueRange]:
        """Return the numbers, to be saved."""
        return {
            "span": self.span,
            "spread": self.spread,
            "closest": self.closest,
            "highest": self.ratio.highest,
        }

    @classmethod
    def from_json(cls, tensors: Mapping[str, Tensor], stored: JsonFields) -> "Reference":
        """Restore it from `tensors` and `to_json`."""
        low, high = stored["span"]
        return cls(
            span=(float(low), float(high)),
            spread=float(stored["spread"]),
            features=tensors["features"].double().numpy(),
            closest=float(stored["closest"]),
            ratio=DensityRatio(tensors["weights"].numpy(), float(stored["highest"])),
        )


def fit_reference(
    images: Images, features: Features, fake: Features, *, span: ValueRange, seed: int
) -> Reference:
    """Compute the thresholds from the real training images of a class.

    Args:
        images: (m, c, h, w) real images in storage type.
        features: (m, d) their features, standardized.
        fake: (n, d) the same of synthetic images of the class, before any filter.
        span: Values of black and white.
        seed: Seed of the folds of the density ratio.
    """
    # with the precision in which it is saved, so that a loaded reference filters alike
    rounded = features.astype(np.float32).astype(np.float64)
    return Reference(
        span=span,
        spread=float(np.quantile(spreads(images), QUANTILE)),
        features=rounded,
        closest=nearest_neighbor_quantile(rounded),
        ratio=fit_density_ratio(rounded, fake, seed=seed),
    )


def spreads(images: Images) -> NDArray[np.float64]:
    """Return the standard deviation (n,) of the values of each image."""
    return np.asarray(images.reshape(len(images), -1).std(axis=1, dtype=np.float64))


def nearest_neighbor_quantile(features: Features) -> float:
    """Return the 1 % quantile of the distances to the nearest neighbor.

    Copies are left out: real images at distance 0 must not permit synthetic ones there.
    """
    distances = among(features)
    distances = distances[(distances > 0) & np.isfinite(distances)]
    return float(np.quantile(distances, QUANTILE)) if len(distances) else 0.0
