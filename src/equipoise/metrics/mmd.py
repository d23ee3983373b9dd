"""Unbiased squared MMD of two sets of features with the cubic kernel of KID, and its variance."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError
from equipoise.metrics.feature_sets import Features, Patients, blocks, check_features

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PatientSums:
    """Kernel sums of the patients of one set: within that set, and across to the other set.

    Attributes:
        sizes: (p,) images of each patient.
        within: (p,) sum over pairs of an image of the patient and one of another patient.
        pairs: (p,) number of these pairs.
        across: (p,) sum over pairs of an image of the patient and one of the other set.
    """

    sizes: Values
    within: Values
    pairs: Values
    across: Values

    @classmethod
    def of(cls, x: Features, owners: Patients, across: Values) -> Self:
        """Sum over the images of each patient.

        Args:
            x: (n, d) features of the set.
            owners: (n,) codes 0..p-1 of their patients.
            across: (n,) kernel sums of each image with the other set.
        """
        sizes = np.bincount(owners).astype(np.float64)
        within_of_image, _ = _sums(x, x, owners)
        return cls(
            sizes=sizes,
            within=np.bincount(owners, within_of_image).astype(np.float64),
            pairs=sizes * (len(x) - sizes),
            across=np.bincount(owners, across).astype(np.float64),
        )

    @property
    def mean(self) -> float:
        """Mean kernel of two images of different patients of the set."""
        return float(self.within.sum() / self.pairs.sum())

    @property
    def mean_across(self) -> Values:
        """(p,) mean over the images that are left without a patient, times the other set's size."""
        return np.asarray((self.across.sum() - self.across) / (self.sizes.sum() - self.sizes))

    @property
    def mean_within(self) -> Values:
        """(p,) mean without a patient, whose pairs occur twice in the sum."""
        return np.asarray(
            (self.within.sum() - 2 * self.within) / (self.pairs.sum() - 2 * self.pairs)
        )


@dataclass(frozen=True)
class Mmd:
    """Squared MMD of two sets with the kernel (a'b / d + 1)^3, and its jackknife variance.

    Source: Gretton et al. (2012), JMLR 13:723, Eq. 3, with the kernel of Binkowski et al. (2018).
    Pairs of images of one patient are left out, which is ours.

    Example:
        >>> import numpy as np
        >>> x, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> Mmd.of(x, y, None, None, fewest=2).value
        -2.375

    See Also:
        `equipoise.metrics.fidelity.kid`: the same number as a function.
    """

    sides: tuple[PatientSums, PatientSums]

    @classmethod
    def of(
        cls,
        real: Features,
        fake: Features,
        patients: Patients | None,
        fake_patients: Patients | None,
        fewest: int,
    ) -> Self:
        """Sum the kernel over all pairs but those of one patient within a set.

        Args:
            real: (n, d).
            fake: (m, d).
            patients: (n,) patient of each row of `real`; None if each row is its own patient.
            fake_patients: (m,) the same of `fake`.
            fewest: Patients that each set must have at least.

        Raises:
            DataError: Other shapes, values that are not finite, or images of fewer than `fewest`
                patients in a set.
        """
        real, fake = check_features(real, fake)
        real_owners = _patient_codes(patients, real, fewest)
        fake_owners = _patient_codes(fake_patients, fake, fewest)
        of_real, of_fake = _sums(real, fake)
        real_side = PatientSums.of(real, real_owners, of_real)
        return cls((real_side, PatientSums.of(fake, fake_owners, of_fake)))

    @property
    def value(self) -> float:
        """The squared MMD; may be negative."""
        real, fake = self.sides
        across = float(real.across.sum() / (real.sizes.sum() * fake.sizes.sum()))
        return real.mean + fake.mean - 2 * across

    @property
    def variance(self) -> float:
        """Its jackknife variance: one patient at a time left out, of both sets."""
        total = 0.0
        for side, other_side in (self.sides, self.sides[::-1]):
            across = 2 * side.mean_across / other_side.sizes.sum()
            without = side.mean_within + other_side.mean - across  # (p,) MMD without each patient
            total += (len(without) - 1) * float(without.var())
        return total


def _sums(a: Features, b: Features, owners: Patients | None = None) -> tuple[Values, Values]:
    """Sum the kernel over rows, (n,), and columns, (m,), without pairs of one owner if given."""
    rows, columns = np.empty(len(a)), np.zeros(len(b))
    for block in blocks(len(a), len(b)):
        kernel = (a[block] @ b.T / a.shape[1] + 1) ** 3
        if owners is not None:
            kernel[owners[block, None] == owners] = 0
        rows[block] = kernel.sum(axis=1)
        columns += kernel.sum(axis=0)
    return rows, columns


def _patient_codes(patients: Patients | None, x: Features, fewest: int) -> Patients:
    names = np.arange(len(x)) if patients is None else np.asarray(patients)
    if names.shape != (len(x),):
        raise DataError(
            f"Expected patients of shape ({len(x)},), one for each row, got {names.shape}."
        )
    unique_names, codes = np.unique(names, return_inverse=True)
    if len(unique_names) < fewest:
        raise DataError(
            f"Expected images of at least {fewest} patients in each set, got {len(unique_names)}."
        )
    return codes.astype(np.int64)
