"""Memorization against brute force, closed forms, SciPy, and the two limits Q = T and Q = H."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, mannwhitneyu
from sklearn.metrics import roc_auc_score

from equipoise.exceptions import DataError
from equipoise.metrics import memorization as module
from equipoise.metrics.memorization import (
    among,
    authenticity,
    copying_score,
    mann_whitney_z,
    membership,
    nearest,
    nearness_ratio,
    per_patient,
    share_close,
    standardized,
)

Array = NDArray[np.float64]


def normal(n: int, d: int = 5, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d))


T, H, Q = normal(90, seed=1), normal(60, seed=2), normal(70, seed=3)


@pytest.mark.parametrize("block", [7, 512])
def test_nearest_is_the_smallest_of_all_distances(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    match, every = nearest(Q, T), cdist(Q, T)
    assert np.array_equal(match.row, every.argmin(axis=1))
    assert np.allclose(match.distance, every.min(axis=1), rtol=1e-12)


def test_a_copy_has_distance_zero_even_far_from_the_origin() -> None:
    far = normal(40, 64) * 1e-3 + 1e4
    assert np.array_equal(nearest(far, far).distance, np.zeros(40))


def test_neighbors_among_themselves_leave_out_the_own_patient() -> None:
    groups = np.arange(90) // 3
    every = cdist(T, T)
    every[groups[:, None] == groups] = np.inf
    assert np.allclose(among(T, groups), every.min(axis=1))
    without_self = cdist(T, T)
    np.fill_diagonal(without_self, np.inf)
    assert np.allclose(among(T), without_self.min(axis=1))
    assert np.array_equal(among(T, np.zeros(90, dtype=np.int64)), np.full(90, np.inf))


def test_features_of_another_shape_are_refused() -> None:
    for references in (T[:0], T[:, :3]):
        with pytest.raises(
            DataError, match=rf"\(70, 5\) and \({len(references)}, {references.shape[1]}\)"
        ):
            nearest(Q, references)


def test_standardized_features_have_mean_zero_and_deviation_one_and_constants_vanish() -> None:
    real = np.column_stack([T * 3 + 7, np.full(90, 5.0)])
    scaled, other = standardized(real, real + 1, by=real)
    assert np.allclose(scaled.mean(axis=0), 0)
    assert np.allclose(scaled.std(axis=0), [1, 1, 1, 1, 1, 0])
    assert np.array_equal(other[:, -1], np.zeros(90))


def test_the_training_images_themselves_are_not_authentic() -> None:
    assert authenticity(nearest(T, T), among(T)) == 0


def test_authenticity_by_its_definition_on_a_line() -> None:
    train = np.array([[0.0], [1.0], [3.0]])  # nearest neighbors at distance 1, 1 and 2
    generated = np.array([[-0.5], [-2.0], [4.9], [6.0]])  # 0.5 from 0, 2 from 0, 1.9 and 3 from 3
    assert authenticity(nearest(generated, train), among(train)) == 50


@pytest.mark.parametrize(
    ("d", "overlap"), [(1, 1 / 2), (2, 2 / 3 - np.sqrt(3) / (2 * np.pi)), (3, 5 / 16)]
)
def test_authenticity_of_a_perfect_sampler_depends_on_the_dimension(d: int, overlap: float) -> None:
    """It is 50 % only in many dimensions.

    With r the distance from q to t, q is authentic if some other training point is within r of t
    but not within r of q. Two balls of radius r whose centers are r apart share the part `overlap`;
    integrating the empty-ball probabilities of uniform points gives (1 - overlap) / (2 - overlap).
    """
    rng = np.random.default_rng(d)
    train = rng.random((3000, d))
    generated = 0.1 + 0.8 * rng.random((4000, d))  # away from the borders
    share = authenticity(nearest(generated, train), among(train)) / 100
    assert share == pytest.approx((1 - overlap) / (2 - overlap), abs=0.03)


def test_copies_are_nearer_than_real_images_and_a_shifted_cloud_is_not() -> None:
    usual = nearest(H, T).distance
    assert nearness_ratio(nearest(T, T).distance, usual) == 0
    assert nearness_ratio(usual, usual) == 1
    assert nearness_ratio(nearest(Q + 5, T).distance, usual) > 1
    assert np.isnan(nearness_ratio(usual, np.zeros(3)))
    assert share_close(nearest(T, T).distance, usual) == 1
    # The smallest of 60 is below their 1 % quantile.
    assert share_close(usual, usual) == pytest.approx(1 / 60)


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
)
@settings(max_examples=50, deadline=None)
def test_u_is_that_of_scipy_with_ties_and_changes_its_sign(
    first: list[int], second: list[int]
) -> None:
    a, b = np.array(first, dtype=float), np.array(second, dtype=float)
    n, m = len(a), len(b)
    u = mannwhitneyu(a, b).statistic
    assert mann_whitney_z(a, b) == pytest.approx(
        (u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    )
    assert mann_whitney_z(b, a) == pytest.approx(-mann_whitney_z(a, b))


def c_t(generated: Array, cells: int | None = None) -> float:
    usual = nearest(H, T).distance
    return copying_score(T, H, generated, nearest(generated, T).distance, usual, n_cells=cells)


@pytest.mark.parametrize("cells", [None, 1, 3])
def test_the_copying_score_of_training_and_of_held_out_images(cells: int | None) -> None:
    assert c_t(T, cells) < -5
    assert abs(c_t(H, cells)) < 1e-12
    assert c_t(Q * 3, cells) > 2


def test_the_copying_score_of_copies_in_one_cell_is_the_extreme_of_u() -> None:
    n, m = len(T), len(H)
    assert c_t(T, 1) == pytest.approx(-np.sqrt(3 * n * m / (n + m + 1)))


def test_equal_images_make_fewer_cells_and_cells_without_both_kinds_give_nan() -> None:
    same = np.ones((10, 2))
    assert copying_score(same, same, same, np.zeros(10), np.zeros(10), n_cells=3) == 0
    two = np.repeat([[0.0], [100.0]], 10, axis=0)
    alone = copying_score(two, two[:10], two[10:], np.zeros(10), np.zeros(10), n_cells=2)
    assert np.isnan(alone)


def test_the_attack_has_the_auc_of_scikit_learn_and_the_interval_of_delong() -> None:
    members, non_members = np.abs(normal(40, 1, 5))[:, 0], np.abs(normal(30, 1, 6))[:, 0] + 0.3
    attack = membership(members, non_members)
    truth = np.repeat([1, 0], [40, 30])
    assert attack.auc == pytest.approx(
        roc_auc_score(truth, -np.concatenate([members, non_members]))
    )
    wins = (members[:, None] < non_members) + 0.5 * (members[:, None] == non_members)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 30)
    assert attack.high - attack.low == pytest.approx(2 * 1.959964 * error, rel=1e-5)
    assert attack.p_auc == pytest.approx(
        mannwhitneyu(members, non_members, alternative="less").pvalue
    )


def test_the_p_value_of_many_caught_is_that_of_random_orders() -> None:
    """Ten members and five others: how often do at least four members precede all others?"""
    attack = membership(
        np.array([1, 2, 3, 4, 20, 21, 22, 23, 24, 25.0]), np.array([10, 11, 12, 13, 14.0])
    )
    rng = np.random.default_rng(0)
    first = (np.array([rng.permutation(15) < 10 for _ in range(4000)]).argmin(axis=1) >= 4).sum()
    assert attack.caught == 0.4
    assert binomtest(int(first), 4000, attack.p_caught).pvalue > 0.001


def test_an_attack_without_and_with_all_information() -> None:
    same = membership(np.ones(20), np.ones(30))
    assert (same.auc, same.p_auc, same.caught, same.p_caught) == (0.5, 1, 0, 1)
    perfect = membership(np.zeros(20), np.ones(30))
    assert (perfect.auc, perfect.low, perfect.high, perfect.caught) == (1, 1, 1, 1)
    assert max(perfect.p_auc, perfect.p_caught) < 1e-6


def test_p_values_keep_their_level() -> None:
    rng = np.random.default_rng(1)
    attacks = [membership(rng.random(40), rng.random(25)) for _ in range(150)]
    for p in ([attack.p_auc for attack in attacks], [attack.p_caught for attack in attacks]):
        n_alarms = int((np.array(p) <= 0.05).sum())
        assert binomtest(n_alarms, 150, 0.05, alternative="greater").pvalue > 0.01


def test_a_patient_is_as_near_as_the_nearest_image() -> None:
    distances = per_patient(np.array([3.0, 1.0, 2.0, 5.0]), np.array([7, 7, 2, 7]))
    assert distances.tolist() == [2.0, 1.0]
