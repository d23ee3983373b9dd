"""How many places of a step each class gets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import Shares, check_voxels

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, fill the unit interval evenly


@dataclass(frozen=True, eq=False)
class Quotas:
    """Whole numbers of places that add up to n in every step, and to the shares over many steps.

    A class always gets the whole part of n times its share. The places that remain go round: with equal shares
    every class has had the same number after as many steps as there are classes.

    Attributes:
        shares: (k,) asked share of each class.
        n: Places in a step.
    """

    shares: Shares
    n: int

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the places (steps, k) of some steps."""
        asked = self.n * self.shares
        whole = np.floor(asked + 1e-9).astype(np.int64)  # 5 * 0.2 may be a hair less than 1
        remaining = self.n - int(whole.sum())
        edges = np.cumsum(np.maximum(asked - whole, 0.0))
        marks = self._turn(steps)[:, None] + np.arange(remaining)
        # marks lie 1 apart on the line of the classes' fractions, so none of them gets more than one place
        classes = np.searchsorted(edges, np.minimum(marks, edges[-1] - 1e-9), side="right")
        return np.asarray(whole + (classes[..., None] == np.arange(len(whole))).sum(axis=1))

    def _turn(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        given = self.shares[self.shares > 0]
        turn = 1 / len(given) if np.ptp(given) < 1e-12 else GOLDEN
        return np.asarray(((steps + 0.5) * turn) % 1.0)


def equal_shares(dataset: VolumeDataset) -> Shares:
    """Give every class that occurs the same share."""
    check_voxels(dataset)
    occurs = dataset.counts > 0
    return np.asarray(occurs / occurs.sum())


def natural_minority_shares(dataset: VolumeDataset, majority: float | None) -> Shares:
    """Give the most frequent class a share, and the others the rest in the ratio of their voxels.

    Args:
        dataset: Cases.
        majority: Share of the most frequent class; None for that of equal shares.
    """
    equal = equal_shares(dataset)
    largest = int(np.argmax(dataset.counts))
    minor = np.where(np.arange(dataset.k) == largest, 0, dataset.counts)
    if not minor.any():
        return equal
    share = float(equal[largest]) if majority is None else majority
    return np.asarray(
        np.where(np.arange(dataset.k) == largest, share, (1 - share) * minor / minor.sum())
    )
