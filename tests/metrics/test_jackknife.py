"""The jackknife over patients against standard errors and t tests of SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equipoise.metrics.base import Values
from equipoise.metrics.jackknife import (
    jackknife_error,
    jackknife_interval,
    jackknife_test,
    leaving_out,
)

numbers = st.lists(st.floats(-1, 1), min_size=3, max_size=12).map(np.array)


def without_each(values: Values) -> Values:
    weights = leaving_out(np.arange(len(values)))
    return np.asarray((weights @ values) / weights.sum(axis=1))


@given(numbers)
def test_for_a_mean_it_is_the_usual_standard_error(values: Values) -> None:
    assert jackknife_error(without_each(values)[1:]) == pytest.approx(stats.sem(values), abs=1e-9)


@given(numbers.filter(lambda values: values.std() > 1e-3))
def test_for_a_mean_difference_it_is_the_paired_t_test(values: Values) -> None:
    test = jackknife_test(without_each(values))
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval()
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert test.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert jackknife_interval(without_each(values)) == pytest.approx(
        (interval.low, interval.high), abs=1e-9
    )


def test_all_cases_of_a_patient_go_together() -> None:
    assert leaving_out(np.array([4, 4, 7])).tolist() == [[1, 1, 1], [0, 0, 1], [1, 1, 0]]


def test_two_patients_have_no_interval() -> None:
    test = jackknife_test(np.array([0.3, 0.2, 0.4]))
    assert test.difference == 0.3
    assert np.isnan([test.low, test.high, test.p]).all()
    assert np.isnan(jackknife_error(np.array([0.1, np.nan, 0.2, 0.3])))


def test_equal_methods_are_not_tested() -> None:
    result = jackknife_test(np.zeros(5))
    assert result.no_variation
    assert np.isnan(result.p)
