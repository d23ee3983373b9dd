"""Jackknife over patients: intervals and tests of any number, leaving out one at a time."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.metrics.statistics import CONFIDENCE, PairedTest, Values, t_test

FEWEST = 3  # patients; with two, one difference would carry the whole interval


def leaving_out(patients: NDArray[np.int64]) -> Values:
    """Build the weights (1 + m, n) of n cases: all of them, then without each of the m patients.

    Example:
        >>> import numpy as np
        >>> leaving_out(np.array([4, 4, 7])).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    names = np.unique(patients)
    weights = np.ones((1 + len(names), len(patients)))
    weights[1:] = patients != names[:, None]
    return weights


def jackknife_error(values: Values) -> float:
    """Compute the standard error of a number from its (m,) values without each patient.

    sqrt((m - 1) / m * sum of (value - mean)^2); NaN with fewer than `FEWEST` patients or where a
    value is NaN. For a mean over patients it is their standard deviation over the root of m, so
    that Student's t with m - 1 degrees of freedom gives the usual interval; pooled numbers work as
    well.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, Eq. 11.5.

    Example:
        >>> import numpy as np
        >>> values = np.array([2.0, 4.0, 6.0])
        >>> round(jackknife_error((values.sum() - values) / 2), 4)  # of the mean: 2 / sqrt(3)
        1.1547
    """
    m = int(np.isfinite(values).sum())
    if m < max(FEWEST, len(values)):
        return float("nan")
    return float(np.sqrt((m - 1) / m * ((values - values.mean()) ** 2).sum()))


def jackknife_interval(values: Values) -> tuple[float, float]:
    """Compute the 95 % interval of a number from its (1 + m,) values: whole, then without each.

    Source: Tukey (1958), Annals of Mathematical Statistics 29:614, with Student's t.

    Example:
        >>> import numpy as np
        >>> low, high = jackknife_interval(np.array([4.0, 5.0, 4.0, 3.0]))
        >>> round(low, 2), round(high, 2)
        (-0.97, 8.97)
    """
    half = jackknife_error(values[1:]) * stats.t.ppf((1 + CONFIDENCE) / 2, max(len(values) - 2, 1))
    return float(values[0] - half), float(values[0] + half)


def jackknife_test(values: Values, *, n_comparisons: int = 1) -> PairedTest:
    """Test whether a paired difference is zero, from its (1 + m,) values: whole, then without each.

    The unit is the patient: seeds of one patient are averaged before, and the training of single
    folds shows in the differences between patients. Training sets of folds overlap, for which no
    test on one data set can allow.

    Args:
        values: Method minus baseline, of all patients and without each.
        n_comparisons: Comparisons that share the 5 %; see `paired_test`.

    Returns:
        The test; all but `difference` are NaN with fewer than `FEWEST` patients.

    Source: Tukey (1958), as the interval.

    Example:
        >>> import numpy as np
        >>> test = jackknife_test(np.array([4.0, 5.0, 4.0, 3.0]))
        >>> test.difference, round(test.p, 3)
        (4.0, 0.074)

    See Also:
        `equipoise.metrics.statistics.paired_test`: from several runs and a bootstrap over patients.
    """
    error = jackknife_error(values[1:])
    if np.isnan(error):
        return PairedTest(difference=float(values[0]))
    return t_test(float(values[0]), error, len(values) - 2, n_comparisons)
