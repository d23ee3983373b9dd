"""Textbook tests of two classifiers: McNemar, Wilcoxon's signed ranks, the corrected t test.

Each answers a narrower question than `equipoise.metrics.statistics.paired_test` and assumes more:
they serve as second opinions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from equipoise.exceptions import DataError
from equipoise.metrics.statistics import ROUNDING, midranks, t_tail

Values = NDArray[np.float64]

# Five pairs that all point one way give p = 2 / 2^5 = 0.0625; six can reach 5 %.
FEWEST_PAIRS = 6


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """How often only one of two classifiers is correct.

    Attributes:
        only_first: Images that only the first classifies correctly.
        only_second: Images that only the second classifies correctly.
        p: Exact two-sided p value of no difference in accuracy.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Test whether two classifiers differ in accuracy on the same images.

    Images count as independent: with several images of a patient p is too small. The test is about
    accuracy, in which the common class counts most, and about these two classifiers, not other
    trainings.

    Args:
        first_right: (n,) whether the first classifies each image correctly.
        second_right: (n,) the same of the second.

    Raises:
        DataError: Different numbers of images.

    Source: McNemar (1947), exact by the binomial distribution.

    Example:
        >>> import numpy as np
        >>> first, second = np.repeat([True, False], [1, 9]), np.repeat([False, True], [1, 9])
        >>> round(mcnemar(first, second).p, 4)
        0.0215
    """
    if first_right.shape != second_right.shape:
        raise DataError(
            f"Expected the same images for both classifiers, got {len(first_right)} and "
            f"{len(second_right)}. Sort both by image first."
        )
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    n_discordant = only_first + only_second
    smaller = min(only_first, only_second)
    p = min(1.0, 2 * float(bdtr(smaller, n_discordant, 0.5)))  # 1 without any
    return McNemar(only_first=only_first, only_second=only_second, p=p)


def signed_ranks(differences: Values) -> float:
    """Compute the exact two-sided p value of Wilcoxon's signed-rank test of paired runs.

    Pairs count as independent, their differences as symmetric. Seeds of one split share their test
    images and are not independent, so p is too small for any statement beyond these images. Fewer
    than 6 pairs can never reach 5 %.

    Args:
        differences: (n,) method minus baseline, finite; differences below 1e-9 count as 0.

    Source: Wilcoxon (1945). Zeros are left out; ties share their mean rank, and p is exact given
    these ranks, from the distribution of all 2^n signs. SciPy's exact table is for ranks without
    ties, where both are equal.

    Example:
        >>> import numpy as np
        >>> signed_ranks(np.array([0.01, 0.02, 0.02, 0.03, 0.04, 0.05]))
        0.03125
    """
    values = np.round(differences / ROUNDING) * ROUNDING
    values = values[values != 0]
    if not len(values):
        return 1.0
    ranks = midranks(np.abs(values))
    doubled = np.rint(2 * ranks).astype(np.int64)  # half ranks become whole numbers
    chances = np.ones(1)  # of each sum of the positive ranks: 0, 1, ...
    for rank in doubled:  # each sign is equally likely
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    smaller_sum = min(int(doubled[values > 0].sum()), int(doubled[values < 0].sum()))
    return float(min(1.0, 2 * chances[: smaller_sum + 1].sum()))


def corrected_t(differences: Values, *, ratio: float) -> float:
    """Compute the two-sided p value of the corrected resampled t test.

    Training sets of random splits overlap, so the variance over splits is too small; it is enlarged
    by the factor 1 + m n_test / n_train. Splits must be drawn at random from one set of images, and
    differences normal over them; for repeated cross-validation pass every fold of every repetition
    (Bouckaert and Frank 2004). The correction is a rule of thumb: that splits correlate by
    n_test / (n_test + n_train).

    Args:
        differences: (m,) method minus baseline, one for each split (average the seeds of a split
            first).
        ratio: n_test / n_train.

    Returns:
        p; NaN where all differences are equal, which leaves nothing to test.

    Raises:
        DataError: Fewer than 2 splits, or a ratio that is not positive.

    Source: Nadeau and Bengio (2003), Machine Learning 52:239.

    Example:
        >>> import numpy as np
        >>> round(corrected_t(np.array([0.02, 0.03, 0.04]), ratio=0.25), 3)
        0.059
    """
    m = len(differences)
    if m < 2 or ratio <= 0:
        raise DataError(
            f"Expected at least 2 splits and n_test / n_train above 0, got {m} splits and {ratio}. "
            "A single split cannot show how splits differ."
        )
    error = float(np.sqrt((1 / m + ratio) * differences.var(ddof=1)))
    if error < ROUNDING:
        return float("nan")
    return 2 * t_tail(abs(float(differences.mean())) / error, m - 1)


def majority_p(p: Values) -> float:
    """Combine m p values of the same hypothesis into one, however they depend on each other.

    The p value that a majority of k = floor(m / 2) + 1 of them reaches, times m / k, at most 1. The
    test images of repeated splits overlap, and neither the mean nor the smallest p would be a
    p value. A single p value stays as it is.

    Args:
        p: (m,) at least 1.

    Source: Rüger (1978), Metrika 25:171.

    Example:
        >>> import numpy as np
        >>> round(majority_p(np.array([0.01, 0.02, 0.5])), 3)
        0.03
    """
    k = len(p) // 2 + 1
    return float(min(1.0, np.sort(p)[k - 1] * len(p) / k))
