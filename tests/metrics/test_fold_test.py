"""Folds as units: against tests of SciPy, and the false alarms that patients as units give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from equipoise.metrics.base import Values
from equipoise.metrics.fold_test import FoldedNumber, average_seeds, error_variances, fold_test
from equipoise.metrics.jackknife import leaving_out

FOLDS = np.repeat(np.arange(6), 4)


def mean_of(values: Values, folds: NDArray[np.int64]) -> FoldedNumber:
    """Return the mean of a value per patient, for one seed."""

    def under(weights: Values) -> Values:
        total = weights.sum(axis=1)
        mean = np.full(len(total), np.nan)
        np.divide(weights @ values, total, out=mean, where=total > 0)
        return mean

    return FoldedNumber(
        seeds=np.array([values.mean()]),
        folds=under(leaving_out(folds)),
        patients=under(leaving_out(np.arange(len(values)))),
    )


def clustered(seed: int, folds: NDArray[np.int64], share: float, shift: float = 0.0) -> Values:
    """Draw differences of patients of whose variance folds have this share."""
    rng = np.random.default_rng(seed)
    effects = np.sqrt(share) * rng.normal(size=folds.max() + 1)
    return np.asarray(shift + effects[folds] + np.sqrt(1 - share) * rng.normal(size=len(folds)))


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.9]))
def test_both_variances_are_those_of_means(seed: int, share: float) -> None:
    values = clustered(seed, FOLDS, share)
    folds, total = error_variances(mean_of(values, FOLDS))
    means = values.reshape(6, 4).mean(axis=1)
    assert folds.value == pytest.approx(stats.sem(means) ** 2)
    assert total.value == pytest.approx(stats.sem(means) ** 2 + stats.sem(values) ** 2)
    assert (folds.freedom, 5 < total.freedom < 28) == (5, True)


@given(st.integers(0, 10_000))
def test_it_is_never_surer_than_the_t_test_over_folds(seed: int) -> None:
    values = clustered(seed, FOLDS, 0.3)
    test = fold_test(mean_of(values, FOLDS))
    alone = stats.ttest_1samp(values.reshape(6, 4).mean(axis=1), 0)
    interval = alone.confidence_interval()
    assert test.p >= alone.pvalue - 1e-12
    assert test.low <= interval.low + 1e-12
    assert test.high >= interval.high - 1e-12
    assert (test.p < 0.05) == (test.low > 0 or test.high < 0)


@given(st.integers(0, 10_000))
def test_leave_one_out_is_the_t_test_over_patients(seed: int) -> None:
    values = clustered(seed, np.arange(7), 0.0)
    test = fold_test(mean_of(values, np.arange(7)))
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval()
    assert test.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))


def test_patients_of_one_fold_are_not_independent() -> None:
    """Nothing differs, a third of the variance is the fold's: patients as units cry wolf."""
    alarms = {"folds": 0, "patients": 0}
    for seed in range(400):
        values = clustered(seed, FOLDS, 0.3)
        alarms["folds"] += fold_test(mean_of(values, FOLDS)).p < 0.05
        alarms["patients"] += stats.ttest_1samp(values, 0).pvalue < 0.05
    assert alarms["folds"] <= 0.06 * 400
    assert alarms["patients"] >= 0.12 * 400


def test_two_folds_test_nothing() -> None:
    folds = np.repeat([0, 1], 5)
    test = fold_test(mean_of(clustered(0, folds, 0.2), folds))
    assert np.isfinite(test.difference)
    assert np.isnan([test.low, test.high, test.p, test.detectable]).all()
    assert not test.no_variation


def test_one_fold_needs_seeds_and_adds_their_variance() -> None:
    one_fold = np.zeros(8, dtype=np.int64)
    seeds = [clustered(seed, one_fold, 0.0, shift=1.0) for seed in range(3)]
    numbers = [mean_of(values, one_fold) for values in seeds]
    assert error_variances(numbers[0]) == ()
    runs, total = error_variances(average_seeds(numbers))
    expected = stats.sem([values.mean() for values in seeds]) ** 2
    assert runs.value == pytest.approx(expected)
    assert runs.freedom == 2
    assert total.value == pytest.approx(expected + stats.sem(np.mean(seeds, axis=0)) ** 2)


def test_seeds_are_averaged_not_counted() -> None:
    number = mean_of(clustered(1, FOLDS, 0.3), FOLDS)
    assert fold_test(average_seeds([number] * 5)) == fold_test(number)


def test_a_power_of_four_in_five_is_what_was_promised() -> None:
    found, promised = 0, []
    for seed in range(300):
        promised.append(fold_test(mean_of(clustered(seed, FOLDS, 0.3), FOLDS)).detectable)
    shift = float(np.median(promised))
    for seed in range(300):
        test = fold_test(mean_of(clustered(seed + 1000, FOLDS, 0.3, shift), FOLDS))
        found += test.p < 0.05
    assert found / 300 >= 0.75


def test_equal_methods_are_not_tested() -> None:
    test = fold_test(mean_of(np.zeros(24), FOLDS))
    assert (test.difference, test.no_variation) == (0.0, True)
    assert np.isnan([test.low, test.p, test.detectable]).all()
    assert fold_test(mean_of(np.full(24, 0.3), FOLDS)).no_variation
