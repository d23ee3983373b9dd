"""Distances between synthetic, training and held-out images, for one class or for all."""

from dataclasses import dataclass, replace

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

FEWEST = 2  # held-out images, and training patients, without which distances are undefined


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Memorization measures of one class or of all; None where there are too few images.

    Attributes:
        name: The class, or "all classes".
        n_synthetic: Synthetic images.
        n_train: Real training images.
        n_held_out: Real held-out images.
        n_copies: Near copies among the synthetic images.
        nearness: Median distance to the nearest training image, relative to that of held-out
            images.
        nearness_in_train: The same, relative to that of training images to those of other patients.
        close: Share of synthetic images nearer to a training image than 99 % of the held-out ones.
        authenticity: Percentage of authentic images; 0 for copies, that of held-out images for a
            perfect generator.
        authenticity_held_out: Percentage of authentic held-out images.
        copying: C_T (Meehan et al., 2020); far below 0 for copies.
        membership: How well an attacker can identify training patients.
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
class AuditedSet:
    """One of the three sets of images: labels (n,), patients (n,), standardized features (n, d)."""

    labels: Labels
    groups: NDArray[np.int64]
    features: Features

    def of_classes(self, labels: NDArray[np.int64]) -> "AuditedSet":
        """Return the images of some classes."""
        rows = np.isin(self.labels, labels)
        return AuditedSet(
            labels=self.labels[rows], groups=self.groups[rows], features=self.features[rows]
        )


def compute_findings(
    name: str,
    train: AuditedSet,
    held_out: AuditedSet,
    synthetic: AuditedSet,
    n_copies: int,
) -> Findings:
    """Compute all measures that the numbers of images and patients allow.

    Args:
        name: The class, or "all classes".
        train: Real training images.
        held_out: Real images of other patients.
        synthetic: Images of the generator.
        n_copies: Near copies among them.
    """
    findings = Findings(
        name=name,
        n_synthetic=len(synthetic.labels),
        n_train=len(train.labels),
        n_held_out=len(held_out.labels),
        n_copies=n_copies,
    )
    if not len(synthetic.labels) or len(np.unique(train.groups)) < FEWEST:
        return findings
    to_train = nearest(synthetic.features, train.features)
    within_train = among(train.features, train.groups)
    findings = replace(
        findings,
        authenticity=_none_if_nan(authenticity(to_train, within_train)),
        nearness_in_train=_none_if_nan(nearness_ratio(to_train.distance, within_train)),
    )
    if len(held_out.labels) < FEWEST:
        return findings
    usual = nearest(held_out.features, train.features)
    copying = copying_score(
        train.features, held_out.features, synthetic.features, to_train.distance, usual.distance
    )
    members = nearest(train.features, synthetic.features).distance
    others = nearest(held_out.features, synthetic.features).distance
    return replace(
        findings,
        authenticity_held_out=_none_if_nan(authenticity(usual, within_train)),
        nearness=_none_if_nan(nearness_ratio(to_train.distance, usual.distance)),
        close=_none_if_nan(share_close(to_train.distance, usual.distance)),
        copying=_none_if_nan(copying),
        membership=membership(
            per_patient(members, train.groups), per_patient(others, held_out.groups)
        ),
    )


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
