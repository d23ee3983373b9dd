"""Intervals of anything that is computed from patients, by leaving out one patient after another."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.metrics.statistics import CONFIDENCE, PairedTest, Values, t_test

FEWEST = 3  # patients; with two, one difference would carry the whole interval


def leaving_out(patients: NDArray[np.int64]) -> Values:
    """Give the weights (1 + m, n) of n cases: all of them, then without each of the m patients in turn."""
    names = np.unique(patients)
    return np.stack([np.ones(len(patients)), *((patients != name).astype(float) for name in names)])


def jackknife_error(values: Values) -> float:
    """Give the standard error of a number from its values (m,) without each patient; NaN below `FEWEST` patients.

    For a mean over patients it is their standard deviation over the root of m, so that the interval with Student's
    t and m - 1 degrees of freedom is the usual one; it serves pooled numbers too.

    Source: Efron and Tibshirani (1993), chapter 11.
    """
    known = values[np.isfinite(values)]
    if len(known) < max(FEWEST, len(values)):
        return float("nan")
    m = len(known)
    return float(np.sqrt((m - 1) / m * ((known - known.mean()) ** 2).sum()))


def jackknife_interval(values: Values) -> tuple[float, float]:
    """Give the 95 % interval of a number from its values (1 + m,): whole, then without each patient."""
    half = jackknife_error(values[1:]) * stats.t.ppf((1 + CONFIDENCE) / 2, max(len(values) - 2, 1))
    return float(values[0] - half), float(values[0] + half)


def jackknife_test(values: Values, *, n_comparisons: int = 1) -> PairedTest:
    """Test whether a paired difference is zero from its values (1 + m,): whole, then without each patient.

    The unit is the patient: what differs between seeds of one patient is averaged before, and what is due to
    the training of single folds shows in the differences between patients. The training sets of folds overlap,
    which no test on one data set can allow for.

    Args:
        values: Method minus baseline, of all patients and without each.
        n_comparisons: Comparisons that share the 5 %; see `paired_test`.
    """
    error = jackknife_error(values[1:])
    if np.isnan(error):
        return PairedTest(difference=float(values[0]))
    return t_test(float(values[0]), error, len(values) - 2, n_comparisons)
