"""How many patches of a step each class gets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import Shares, check_voxels

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, fill the unit interval evenly


@dataclass(frozen=True, eq=False)
class Quotas:
    """Patches per class: integers that sum to n in every step and match the shares over many steps.

    A class always gets the integer part of n times its share. The remaining patches rotate: with
    equal shares every class has received the same number after as many steps as there are classes.

    Attributes:
        shares: (k,) target share of each class.
        n: Patches per step.
    """

    shares: Shares
    n: int

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the patches (steps, k) of some steps."""
        exact = self.n * self.shares
        whole = np.floor(exact + 1e-9).astype(np.int64)  # 5 * 0.2 may round to less than 1
        remaining = self.n - int(whole.sum())
        edges = np.cumsum(np.maximum(exact - whole, 0.0))
        positive = self.shares[self.shares > 0]
        rotation = 1 / len(positive) if np.ptp(positive) < 1e-12 else GOLDEN
        offsets = np.asarray(((steps + 0.5) * rotation) % 1.0)
        # marks (steps, remaining) are 1 apart on the line of the classes' fractions, so that
        # no class gets more than one of them
        marks = offsets[:, None] + np.arange(remaining)
        classes = np.searchsorted(edges, np.minimum(marks, edges[-1] - 1e-9), side="right")
        return np.asarray(whole + (classes[..., None] == np.arange(len(whole))).sum(axis=1))


def equal_shares(dataset: VolumeDataset) -> Shares:
    """Return equal shares of all classes that occur."""
    check_voxels(dataset)
    occurs = dataset.counts > 0
    return np.asarray(occurs / occurs.sum())


def natural_minority_shares(dataset: VolumeDataset, majority: float | None) -> Shares:
    """Return a fixed share for the most frequent class, and the rest in proportion to the voxels.

    Args:
        dataset: Cases.
        majority: Share of the most frequent class; None for its share under `equal_shares`.
    """
    equal = equal_shares(dataset)
    is_majority = np.arange(dataset.k) == int(np.argmax(dataset.counts))
    minority_counts = np.where(is_majority, 0, dataset.counts)
    if not minority_counts.any():
        return equal
    share = float(equal[is_majority][0]) if majority is None else majority
    rest = (1 - share) * minority_counts / minority_counts.sum()
    return np.asarray(np.where(is_majority, share, rest))
