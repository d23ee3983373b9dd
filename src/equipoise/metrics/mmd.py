"""The unbiased squared MMD of two sets of features with the cubic kernel of KID, and its jackknife variance."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError
from equipoise.metrics.feature_sets import Features, Patients, blocks, check_features

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """Kernel sums of the patients of one set: with the others of the set, and with the other set.

    Attributes:
        sizes: (p,) images of each patient.
        within: (p,) sum over pairs of an image of the patient and one of another patient of the set.
        pairs: (p,) number of these pairs.
        across: (p,) sum over pairs of an image of the patient and one of the other set.
    """

    sizes: Values
    within: Values
    pairs: Values
    across: Values

    @classmethod
    def of(cls, x: Features, owners: Patients, across: Values) -> Self:
        """Add up what `_sums` gave for each image."""
        sizes = np.bincount(owners).astype(np.float64)
        within, out = (
            np.bincount(owners, sums).astype(np.float64)
            for sums in (_sums(x, x, owners)[0], across)
        )
        return cls(sizes, within, sizes * (len(x) - sizes), out)

    @property
    def mean(self) -> float:
        """Mean kernel of two images of different patients of the set."""
        return float(self.within.sum() / self.pairs.sum())

    @property
    def mean_across(self) -> Values:
        """(p,) mean over the images that are left without a patient, times the size of the other set."""
        return np.asarray((self.across.sum() - self.across) / (self.sizes.sum() - self.sizes))

    @property
    def mean_within(self) -> Values:
        """(p,) mean without a patient, whose pairs stand twice in the sum."""
        return np.asarray(
            (self.within.sum() - 2 * self.within) / (self.pairs.sum() - 2 * self.pairs)
        )


@dataclass(frozen=True)
class Mmd:
    """The squared MMD of two sets, and its jackknife variance."""

    sides: tuple[Side, Side]

    @classmethod
    def of(
        cls,
        real: Features,
        fake: Features,
        patients: Patients | None,
        fake_patients: Patients | None,
        fewest: int,
    ) -> Self:
        """Sum the kernel over all pairs, each set without the pairs of one patient (None: none shares a patient).

        Raises:
            DataError: Other shapes, values that are not finite, or images of fewer than `fewest` patients in a set.
        """
        real, fake = check_features(real, fake)
        owners = (_numbered(patients, real, fewest), _numbered(fake_patients, fake, fewest))
        rows, columns = _sums(real, fake)
        return cls((Side.of(real, owners[0], rows), Side.of(fake, owners[1], columns)))

    @property
    def value(self) -> float:
        """The squared MMD."""
        one, other = self.sides
        return (
            one.mean
            + other.mean
            - 2 * float(one.across.sum() / (one.sizes.sum() * other.sizes.sum()))
        )

    @property
    def variance(self) -> float:
        """Its variance: patients left out one after another, of the one set and of the other."""
        total = 0.0
        for one, other in (self.sides, self.sides[::-1]):
            without = one.mean_within + other.mean - 2 * one.mean_across / other.sizes.sum()
            total += (len(without) - 1) * float(without.var())
        return total


def _sums(a: Features, b: Features, owners: Patients | None = None) -> tuple[Values, Values]:
    """Sum the kernel over rows (n,) and over columns (m,), without the pairs of one owner where these are given."""
    rows, columns = np.empty(len(a)), np.zeros(len(b))
    for block in blocks(len(a), len(b)):
        kernel = (a[block] @ b.T / a.shape[1] + 1) ** 3
        if owners is not None:
            kernel[owners[block, None] == owners] = 0
        rows[block] = kernel.sum(axis=1)
        columns += kernel.sum(axis=0)
    return rows, columns


def _numbered(patients: Patients | None, x: Features, fewest: int) -> Patients:
    names = np.arange(len(x)) if patients is None else np.asarray(patients)
    if names.shape != (len(x),):
        raise DataError(
            f"Expected patients of shape ({len(x)},), one for each row, got {names.shape}."
        )
    found, numbers = np.unique(names, return_inverse=True)
    if len(found) < fewest:
        raise DataError(
            f"Expected images of at least {fewest} patients in each set, got {len(found)}."
        )
    return numbers.astype(np.int64)
