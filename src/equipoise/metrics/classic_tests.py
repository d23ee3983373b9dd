"""The textbook's tests of two classifiers: McNemar, Wilcoxon's signed ranks, and the corrected t test.

Each answers a narrower question than `equipoise.metrics.statistics.paired_test` and assumes more: a second opinion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.exceptions import DataError
from equipoise.metrics.statistics import ROUNDING

Values = NDArray[np.float64]

# Five pairs that all point one way give p = 2 / 2^5 = 0.0625; six can reach 5 %.
FEWEST_PAIRS = 6


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """How often only one of two classifiers is right.

    Attributes:
        only_first: Images that only the first calls right.
        only_second: Images that only the second calls right.
        p: Exact two-sided p value of no difference in accuracy.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Test whether two classifiers differ in accuracy on the same images (McNemar 1947, exact by the binomial).

    Assumes that images are independent: with several images of a patient p is too small. It speaks of accuracy, in
    which the common class counts most, and of these two classifiers, not of other trainings.

    Args:
        first_right: (n,) whether the first calls each image right.
        second_right: (n,) the same of the second.

    Raises:
        DataError: Different numbers of images.
    """
    if first_right.shape != second_right.shape:
        raise DataError(
            f"Expected the same images for both, got {len(first_right)} and {len(second_right)}. "
            "Sort both by image first."
        )
    b, c = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    p = float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0
    return McNemar(only_first=b, only_second=c, p=p)


def signed_ranks(differences: Values) -> float:
    """Give the exact two-sided p value of Wilcoxon's signed rank test (1945) of paired runs.

    Assumes independent pairs and a symmetric distribution of differences. Seeds of one split share their test
    images and are not independent, so p is too small for anything beyond these images. Fewer than 6 pairs can
    never reach 5 %.

    Zeros are left out. Ties share their mean rank and p is exact given these ranks, from the distribution of all
    2^n signs; SciPy's exact table is for ranks without ties, where both are equal.

    Args:
        differences: (n,) method minus baseline, finite; differences of less than 1e-9 are equal.
    """
    values = np.round(differences / ROUNDING) * ROUNDING
    values = values[values != 0]
    if not len(values):
        return 1.0
    doubled = np.rint(2 * stats.rankdata(np.abs(values))).astype(
        np.int64
    )  # whole numbers, half ranks too
    chances = _sums(doubled)
    small = min(int(doubled[values > 0].sum()), int(doubled[values < 0].sum()))
    return float(min(1.0, 2 * chances[: small + 1].sum()))


def _sums(ranks: NDArray[np.int64]) -> Values:
    """Give the chance of each sum of the positive ranks, 0, 1, ..., where every sign is as likely as the other."""
    chances = np.ones(1)
    for rank in ranks:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return chances


def corrected_t(differences: Values, *, ratio: float) -> float:
    """Give the two-sided p value of the corrected resampled t test (Nadeau and Bengio 2003, Mach. Learn. 52:239).

    Training sets of random splits overlap, so the variance over splits is too small; it is enlarged by the factor
    1 + m n_test / n_train. Assumes splits drawn at random from one set of images and differences that are normal
    over them; for repeated cross-validation give every fold of every repetition (Bouckaert and Frank 2004). The
    correction is a rule of thumb: that splits correlate by n_test / (n_test + n_train).

    Args:
        differences: (m,) method minus baseline, one for each split (average the seeds of a split first).
        ratio: n_test / n_train.

    Raises:
        DataError: Fewer than 2 splits, or a ratio that is not positive.
    """
    m = len(differences)
    if m < 2 or ratio <= 0:
        raise DataError(
            f"Expected at least 2 splits and n_test / n_train above 0, got {m} splits and {ratio}. "
            "One split does not tell how splits differ."
        )
    error = float(np.sqrt((1 / m + ratio) * differences.var(ddof=1)))
    return float(2 * stats.t.sf(abs(float(differences.mean())) / max(error, ROUNDING), m - 1))


def majority_p(p: Values) -> float:
    """Give one p value for m tests of the same hypothesis, however they depend on one another (Rüger 1978).

    The p value that a majority of k = floor(m / 2) + 1 of them reaches, times m / k, at most 1: the test images of
    repeated splits overlap, and neither the mean nor the smallest would be a p value. With one test it is that one.

    Args:
        p: (m,) at least one.
    """
    k = len(p) // 2 + 1
    return float(min(1.0, np.sort(p)[k - 1] * len(p) / k))
