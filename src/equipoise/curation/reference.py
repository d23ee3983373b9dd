"""What the real training images of a class are like: the bars that its synthetic images are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Images, ValueRange
from equipoise.curation.density_ratio import DensityRatio, fit_density_ratio
from equipoise.metrics.memorization import Features, among

QUANTILE = 0.01  # of what real images show: below it a synthetic one stands out


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What the real training images of one class are like.

    Attributes:
        span: Values of black and white.
        spread: 1 % quantile of the standard deviations of their values, in the storage type's units.
        features: (m, d) theirs, standardized, as float32 holds them.
        closest: 1 % quantile of the distances from each to the nearest other one.
        ratio: Tells them from synthetic images of the generator.
    """

    span: ValueRange
    spread: float
    features: Features
    closest: float
    ratio: DensityRatio

    @property
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values, each by name."""
        tensors = {
            "features": torch.from_numpy(self.features.astype(np.float32)),
            "weights": torch.from_numpy(self.ratio.weights),
        }
        numbers = {"span": self.span, "spread": self.spread, "closest": self.closest}
        return tensors, {**numbers, "highest": self.ratio.highest}

    @classmethod
    def of_state(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> "Reference":
        """Make it from what `state` gave."""
        low, high = facts["span"]
        return cls(
            span=(float(low), float(high)),
            spread=float(facts["spread"]),
            features=tensors["features"].double().numpy(),
            closest=float(facts["closest"]),
            ratio=DensityRatio(tensors["weights"].numpy(), float(facts["highest"])),
        )


def learn_reference(
    images: Images, features: Features, fake: Features, *, span: ValueRange, seed: int
) -> Reference:
    """Take the bars from the real training images of a class.

    Args:
        images: (m, c, h, w) real ones in storage type.
        features: (m, d) theirs, standardized.
        fake: (n, d) the same of synthetic images of the class, as the generator makes them.
        span: Values of black and white.
        seed: Of the folds of the density ratio.
    """
    kept = features.astype(np.float32).astype(
        np.float64
    )  # as it is saved: loaded, it must judge alike
    return Reference(
        span=span,
        spread=float(np.quantile(spreads(images), QUANTILE)),
        features=kept,
        closest=closest_pairs(kept),
        ratio=fit_density_ratio(kept, fake, seed=seed),
    )


def spreads(images: Images) -> NDArray[np.float64]:
    """Give the standard deviation of the values of each image, (n,)."""
    return np.asarray(images.reshape(len(images), -1).std(axis=1, dtype=np.float64))


def closest_pairs(features: Features) -> float:
    """Give the 1 % quantile of the distances to the nearest other image.

    Copies of one another are left out: real images at distance 0 must not allow synthetic ones there.
    """
    distances = among(features)
    apart = distances[(distances > 0) & np.isfinite(distances)]
    return float(np.quantile(apart, QUANTILE)) if len(apart) else 0.0
