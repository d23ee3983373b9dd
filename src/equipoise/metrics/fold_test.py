"""Tests and intervals of numbers over patients, tested by the networks of several folds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.metrics.jackknife import ErrorVariance, jackknife
from equipoise.metrics.statistics import PairedTest, Values, mean_known, satterthwaite, t_test


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedNumber:
    """A number over all test patients, and what it is without each fold and each patient.

    Attributes:
        seeds: (s,) the number of each seed.
        folds: (1 + 2 k,) mean over seeds under the weights of `leaving_out`, units the k folds.
        patients: (1 + 2 m,) the same, units the m patients.
    """

    seeds: Values
    folds: Values
    patients: Values

    @property
    def value(self) -> float:
        """The number itself, mean over seeds."""
        return float(self.patients[0])

    def minus(self, other: "FoldedNumber") -> "FoldedNumber":
        """Subtract a number over the same seeds, folds and patients."""
        return FoldedNumber(
            seeds=self.seeds - other.seeds,
            folds=self.folds - other.folds,
            patients=self.patients - other.patients,
        )


def average_seeds(numbers: Sequence[FoldedNumber]) -> FoldedNumber:
    """Average numbers of single seeds, leaving out what is not defined in a seed."""
    return FoldedNumber(
        seeds=np.concatenate([number.seeds for number in numbers]),
        folds=mean_known(np.stack([number.folds for number in numbers])),
        patients=mean_known(np.stack([number.patients for number in numbers])),
    )


def fold_test(number: FoldedNumber, *, n_comparisons: int = 1) -> PairedTest:
    """Test whether a number (a paired difference) is zero; the interval is that of the number.

    Patients of one fold are tested by the same networks, so they are not independent: the unit is
    the fold, with its seeds averaged. As in `paired_test`, the variance over test patients is added
    for the overlap of training sets, which the variance over folds does not show:

        se^2 = S^2 / k + V

    S^2 / k and V: jackknife over the k folds and over the m patients, which for a mean over folds
    of one size are the variance of the fold means over k and of the patients over m. Student's t
    has Satterthwaite's degrees of freedom for k - 1 and m - 1. With few folds these are too many
    where S^2 happens to be small, so that the result is never narrower than S^2 / k with k - 1
    degrees gives, which is exact for independent folds.

    Simulated (simulations/segmentation.py: 12 to 100 patients in 3 to 10 folds that differ by at
    most one patient, within-fold correlation 0 to 0.4): false alarms at most 5 %. S^2 / k + V
    alone: up to 7 % with 3 folds and 12 % with 2. Patients as units: up to 63 %. Where training
    parts overlap so much that folds correlate by 0.1, up to 9 %; no test on one data set can see
    this.

    - Every fold has one patient (leave-one-out): folds are patients, and V alone is the variance.
    - One fold: seeds take the place of folds (false alarms at most 6 %), and the statement is about
      networks that were trained on these patients.

    Args:
        number: Method minus baseline, or a metric of one method.
        n_comparisons: Comparisons that share the 5 %; see `paired_test`.

    Returns:
        The test; all but `difference` are NaN with two folds, with fewer than three patients, or
        with one fold and one seed.

    Source: ours; the degrees of freedom of Satterthwaite (1946), the jackknife of Tukey (1958).

    Example:
        >>> import numpy as np
        >>> from equipoise.metrics.jackknife import leaving_out
        >>> values, folds = np.array([0.1, 0.2, 0.2, 0.1, 0.3, 0.2]), np.array([0, 0, 1, 1, 2, 2])
        >>> def mean_under(weights):
        ...     return weights @ values / weights.sum(axis=1)
        >>> number = FoldedNumber(
        ...     seeds=np.array([values.mean()]),
        ...     folds=mean_under(leaving_out(folds)),
        ...     patients=mean_under(leaving_out(np.arange(6))),
        ... )
        >>> test = fold_test(number)
        >>> round(test.difference, 3), round(test.low, 3), round(test.high, 3)
        (0.183, 0.04, 0.327)

    See Also:
        `equipoise.metrics.statistics.paired_test`: the same for images, with a bootstrap.
    """
    tests = []
    for error in error_variances(number):
        tests.append(t_test(number.value, math.sqrt(error.value), error.freedom, n_comparisons))
    varying = [test for test in tests if not test.no_variation]
    if not tests:
        return PairedTest(difference=number.value)
    if not varying:
        return tests[-1]
    return PairedTest(
        difference=number.value,
        low=min(test.low for test in varying),
        high=max(test.high for test in varying),
        p=max(test.p for test in varying),
        detectable=max(test.detectable for test in varying),
    )


def error_variances(number: FoldedNumber) -> tuple[ErrorVariance, ...]:
    """Compute the squared standard errors of a number, all of which its test has to allow for.

    Returns:
        S^2 / k and S^2 / k + V; V alone for leave-one-out; none where there are too few folds,
        seeds or patients to compute them.
    """
    patients = jackknife(number.patients)
    if patients is None:
        return ()
    if len(number.folds) == len(number.patients):
        return (patients,)
    n_folds = (len(number.folds) - 1) // 2
    if n_folds == 1:
        runs = seed_variance(number.seeds)
    else:
        runs = jackknife(number.folds)
    if runs is None:
        return ()
    freedom = satterthwaite((runs.value, runs.freedom), (patients.value, patients.freedom))
    total = ErrorVariance(value=runs.value + patients.value, freedom=freedom)
    return (runs, total)


def seed_variance(seeds: Values) -> ErrorVariance | None:
    """Compute the variance of the mean over seeds; None with fewer than two."""
    defined = seeds[np.isfinite(seeds)]
    if len(defined) < 2:
        return None
    return ErrorVariance(value=float(defined.var(ddof=1)) / len(defined), freedom=len(defined) - 1)
