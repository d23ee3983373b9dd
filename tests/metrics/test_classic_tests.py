"""McNemar, Wilcoxon, the corrected t test, p of a majority: SciPy, by hand, simulated."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

from equipoise.exceptions import DataError
from equipoise.metrics.classic_tests import (
    FEWEST_PAIRS,
    corrected_t,
    majority_p,
    mcnemar,
    signed_ranks,
)

# --- McNemar ---


def right(both: int, first: int, second: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    counts = [both, first, second]
    return np.repeat([True, True, False], counts), np.repeat([True, False, True], counts)


def test_golden_mcnemar() -> None:
    test = mcnemar(*right(20, 1, 9))
    assert (test.only_first, test.only_second) == (1, 9)
    assert_allclose(test.p, 22 / 1024)  # 2 (1 + 10) / 2^10 = 0.021484, printed .0215


@given(st.integers(0, 12), st.integers(0, 12))
@settings(deadline=None, max_examples=50)
def test_mcnemar_sums_the_binomial_and_is_symmetric(b: int, c: int) -> None:
    expected = min(1.0, 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c))
    assert_allclose(mcnemar(*right(5, b, c)).p, expected)
    assert_allclose(mcnemar(*right(0, c, b)).p, expected)


def test_mcnemar_refuses_other_images() -> None:
    with pytest.raises(DataError, match="3 and 2"):
        mcnemar(np.ones(3, dtype=bool), np.ones(2, dtype=bool))


# --- Wilcoxon ---


@given(st.integers(1, 40), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_signed_ranks_without_ties_are_scipys_exact_ones(n: int, seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.2, 1, size=n)
    assert_allclose(signed_ranks(differences), stats.wilcoxon(differences, method="exact").pvalue)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
@settings(deadline=None, max_examples=40)
def test_signed_ranks_with_ties_equal_an_enumeration_of_all_signs(values: list[int]) -> None:
    nonzero = np.array([v for v in values if v], dtype=np.float64)
    ranks = stats.rankdata(np.abs(nonzero))
    signs = np.array(list(product([0, 1], repeat=len(nonzero))))  # (2^n, n)
    smaller_sum = min(ranks[nonzero > 0].sum(), ranks[nonzero < 0].sum())
    expected = min(1.0, 2 * float((signs @ ranks <= smaller_sum).mean()))
    # 0.1 + 0.2 > 0.3: rounding breaks no tie.
    assert_allclose(signed_ranks(np.array(values) * 0.1), expected)


def test_five_pairs_never_reach_five_percent_and_six_do() -> None:
    assert signed_ranks(np.arange(1.0, FEWEST_PAIRS)) == 0.0625
    assert signed_ranks(np.arange(1.0, FEWEST_PAIRS + 1)) == 0.03125
    assert signed_ranks(np.zeros(9)) == signed_ranks(np.full(9, 1e-16)) == 1


# --- corrected t ---


def test_the_corrected_t_test_by_hand() -> None:
    """Differences 1 2 3, ratio 1/2: t = 2 / sqrt(1/3 + 1/2) = 2.19089, 2 degrees: p = 0.159801."""
    t = 2 / math.sqrt(5 / 6)
    assert_allclose(corrected_t(np.array([1.0, 2.0, 3.0]), ratio=0.5), 1 - t / math.sqrt(t**2 + 2))
    assert_allclose(corrected_t(np.array([1.0, 2.0, 3.0]), ratio=0.5), 0.1598, atol=1e-4)


def test_hardly_any_test_images_leave_the_t_test() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, size=8)
    assert_allclose(corrected_t(differences, ratio=1e-12), stats.ttest_1samp(differences, 0).pvalue)
    assert corrected_t(differences, ratio=0.5) > corrected_t(differences, ratio=0.1)
    assert np.isnan(corrected_t(np.zeros(4), ratio=0.5))


def test_the_correction_is_exact_for_the_correlation_it_assumes() -> None:
    """Correlation n_test / (n_test + n_train): 5 % false alarms, many more of the plain test."""
    rng, m, ratio = np.random.default_rng(1), 10, 1 / 3
    shared = math.sqrt(ratio / (1 + ratio))
    studies = shared * rng.normal(size=(1500, 1)) + math.sqrt(1 - shared**2) * rng.normal(
        size=(1500, m)
    )
    alarms = np.mean([corrected_t(row, ratio=ratio) < 0.05 for row in studies])
    assert 0.035 <= alarms <= 0.065
    assert np.mean(stats.ttest_1samp(studies, 0, axis=1).pvalue < 0.05) > 0.25


@pytest.mark.parametrize(("size", "ratio"), [(1, 0.5), (3, 0.0)])
def test_one_split_or_no_test_images_are_refused(size: int, ratio: float) -> None:
    with pytest.raises(DataError, match=f"2 splits.*{size} splits and {ratio}"):
        corrected_t(np.ones(size), ratio=ratio)


# --- majority ---


def test_the_p_value_of_a_majority_by_hand() -> None:
    assert majority_p(np.array([0.03])) == 0.03
    assert majority_p(np.array([0.04, 0.01])) == 0.04
    assert_allclose(majority_p(np.array([0.5, 0.02, 0.01])), 0.03)  # 0.02 x 3 / 2
    assert majority_p(np.array([1.0, 0.9, 0.8])) == 1


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
def test_a_majority_is_right_however_the_splits_depend(correlation: float) -> None:
    rng = np.random.default_rng(2)
    z = math.sqrt(correlation) * rng.normal(size=(4000, 1)) + math.sqrt(
        1 - correlation
    ) * rng.normal(size=(4000, 5))
    assert np.mean([majority_p(row) <= 0.05 for row in 2 * stats.norm.sf(np.abs(z))]) <= 0.055


def test_equal_differences_leave_the_corrected_t_test_nothing() -> None:
    assert np.isnan(corrected_t(np.array([0.1, 0.1, 0.1]), ratio=0.25))
