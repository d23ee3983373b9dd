"""The jackknife over units against standard errors of SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equipoise.metrics.base import Values
from equipoise.metrics.jackknife import jackknife, leaving_out

numbers = st.lists(st.floats(-1, 1), min_size=3, max_size=12).map(np.array)


def without_each(values: Values) -> Values:
    weights = leaving_out(np.arange(len(values)))
    return np.asarray((weights @ values) / weights.sum(axis=1))


@given(numbers.filter(lambda values: values.std() > 1e-6))
def test_for_a_mean_it_is_the_usual_standard_error(values: Values) -> None:
    error = jackknife(without_each(values))
    assert error is not None
    assert np.sqrt(error.value) == pytest.approx(stats.sem(values), abs=1e-9)
    assert error.freedom == len(values) - 1


def test_all_cases_of_a_unit_go_together() -> None:
    whole, *others = leaving_out(np.array([4, 4, 7])).tolist()
    assert whole == [1, 1, 1]
    assert others == [[0, 0, 1], [1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_two_units_have_no_variance() -> None:
    assert jackknife(without_each(np.array([0.2, 0.4]))) is None
    assert jackknife(np.array([0.1, np.nan, 0.2, 0.3, 0.1, 0.1, 0.1])) is None


def test_units_without_a_value_do_not_count() -> None:
    """Four patients, one of them without a lesion: the variance is that of the other three."""
    values = np.array([0.2, 0.5, 0.3])
    three = without_each(values)
    nan = float("nan")
    four = np.array([three[0], *three[1:4], three[0], *three[4:], nan])
    assert jackknife(four) == jackknife(three)


def test_a_ratio_has_the_error_of_its_linearization() -> None:
    """Pooled counts: the delta method, which the jackknife equals to first order."""
    rng = np.random.default_rng(0)
    hits, total = rng.uniform(1, 2, size=400), rng.uniform(3, 5, size=400)
    weights = leaving_out(np.arange(400))
    error = jackknife((weights @ hits) / (weights @ total))
    assert error is not None
    ratio = hits.sum() / total.sum()
    expected = np.std(hits - ratio * total, ddof=1) / np.sqrt(400) / total.mean()
    assert np.sqrt(error.value) == pytest.approx(expected, rel=0.01)
