"""What distances between synthetic, training and held-out images say, for one class or for all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels
from equipoise.metrics.memorization import (
    Features,
    Membership,
    among,
    authenticity,
    copying_score,
    membership,
    nearest,
    nearness_ratio,
    per_patient,
    share_close,
)

FEWEST = 2  # images on each side, and training patients, without which distances say nothing


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found in one class or in all; None where there are too few images to say it.

    Attributes:
        name: The class, or "all classes".
        n_synthetic: Synthetic images.
        n_train: Real training images.
        n_held_out: Real held-out images.
        n_copies: Near copies.
        nearness: Median distance to the nearest training image, as a multiple of that of held-out images.
        nearness_in_train: The same, as a multiple of that of training images to those of other patients.
        close: Share nearer to a training image than 99 % of the held-out images.
        authenticity: Percentage; 0 for copies, and for a perfect generator what held-out images show:
        authenticity_held_out: The same of held-out images.
        copying: C_T; far below 0 for copies.
        membership: How well an attacker can tell who was in training.
    """

    name: str
    n_synthetic: int
    n_train: int
    n_held_out: int
    n_copies: int
    nearness: float | None = None
    nearness_in_train: float | None = None
    close: float | None = None
    authenticity: float | None = None
    authenticity_held_out: float | None = None
    copying: float | None = None
    membership: Membership | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """Images of one of the three sets: labels (n,), patients (n,), standardized features (n, d)."""

    labels: Labels
    groups: NDArray[np.int64]
    features: Features

    def only(self, labels: NDArray[np.int64]) -> "Side":
        """Keep the images of some classes."""
        kept = np.isin(self.labels, labels)
        return Side(
            labels=self.labels[kept], groups=self.groups[kept], features=self.features[kept]
        )


def find(name: str, train: Side, held_out: Side, synthetic: Side, n_copies: int) -> Findings:
    """Compute everything that so many images allow."""
    sizes: dict[str, Any] = {
        "n_synthetic": len(synthetic.labels),
        "n_train": len(train.labels),
        "n_held_out": len(held_out.labels),
    }
    measured: dict[str, Any] = {}
    if len(synthetic.labels) and len(np.unique(train.groups)) >= FEWEST:
        measured |= _against_train(train, held_out, synthetic)
    known = {key: value for key, value in measured.items() if not _unknown(value)}
    return Findings(name=name, n_copies=n_copies, **sizes, **known)


def _against_train(train: Side, held_out: Side, synthetic: Side) -> dict[str, Any]:
    to_train, in_train = (
        nearest(synthetic.features, train.features),
        among(train.features, train.groups),
    )
    found: dict[str, Any] = {
        "authenticity": authenticity(to_train, in_train),
        "nearness_in_train": nearness_ratio(to_train.distance, in_train),
    }
    if len(held_out.labels) < FEWEST:
        return found
    usual = nearest(held_out.features, train.features)
    attack = [
        per_patient(nearest(s.features, synthetic.features).distance, s.groups)
        for s in (train, held_out)
    ]
    return found | {
        "authenticity_held_out": authenticity(usual, in_train),
        "nearness": nearness_ratio(to_train.distance, usual.distance),
        "close": share_close(to_train.distance, usual.distance),
        "copying": copying_score(
            train.features, held_out.features, synthetic.features, to_train.distance, usual.distance
        ),
        "membership": membership(*attack),
    }


def _unknown(value: object) -> bool:
    return isinstance(value, float) and np.isnan(value)
