"""Tests by ranks: the example of Demsar (2006), SciPy, false alarms."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from equipoise.metrics.classic_tests import signed_ranks
from equipoise.metrics.rank_tests import average_ranks, cliques, critical_difference, friedman
from equipoise.metrics.statistics import holm

# Demsar (2006), Table 6: AUROC of C4.5 without and with m, cf, m+cf on 14 data sets. The last two
# of the voting data are printed equal (.975) and ranked 2 and 3.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def test_golden_demsar() -> None:
    ranks = average_ranks(DEMSAR)
    assert_allclose(ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    chi2, f, p = friedman(ranks, 14)
    assert_allclose([chi2, f], [9.28, 3.69], atol=0.005)
    assert_allclose(p, stats.f.sf(f, 3, 39))
    assert_allclose(critical_difference(4, 14), 1.25, atol=0.005)
    assert_allclose(critical_difference(4, 14) / np.sqrt(20 / 84), 2.569, atol=5e-4)


def test_without_ties_it_is_scipys_friedman_test() -> None:
    values = np.random.default_rng(0).random((9, 5))
    assert_allclose(
        friedman(average_ranks(values), 9)[0], stats.friedmanchisquare(*values.T).statistic
    )


def test_data_sets_that_all_agree_leave_no_doubt() -> None:
    _, f, p = friedman(np.array([1.0, 2.0, 3.0]), 5)
    assert (f, p) == (np.inf, 0)


def test_equal_methods_are_rarely_called_different() -> None:
    rng = np.random.default_rng(1)
    alarms = np.mean([friedman(average_ranks(rng.random((8, 4))), 8)[2] < 0.05 for _ in range(400)])
    assert 0.02 <= alarms <= 0.085


def test_groups_are_neighbors_that_do_not_differ() -> None:
    noise = 0.01 * np.random.default_rng(2).random((12, 4))
    assert cliques(noise + np.array([0.9, 0.9, 0.5, 0.5])) == [(0, 1), (2, 3)]
    assert cliques(noise + np.array([0.9, 0.7, 0.5, 0.3])) == []
    # Five data sets show no difference.
    assert cliques(noise[:5] + np.array([0.9, 0.7, 0.5, 0.3])) == [(0, 3)]


@pytest.mark.parametrize("seed", range(6))
def test_groups_equal_their_definition(seed: int) -> None:
    """Spans without a pair that differs, but those inside a larger one."""
    values = np.random.default_rng(seed).normal(size=(40, 5)).round(2) * 0.2
    values += np.linspace(0.12, 0, 5)
    pairs = list(combinations(range(5), 2))
    p = holm([signed_ranks(values[:, i] - values[:, j]) for i, j in pairs])
    equal = {pair for pair, value in zip(pairs, p, strict=True) if value >= 0.05}
    spans = [(i, j) for i, j in pairs if set(combinations(range(i, j + 1), 2)) <= equal]
    expected = []
    for i, j in spans:
        if not any(a <= i and j <= b and (a, b) != (i, j) for a, b in spans):
            expected.append((i, j))
    assert cliques(values) == expected
