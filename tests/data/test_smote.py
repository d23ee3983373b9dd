"""New points between neighbors, against imbalanced-learn's SMOTE, BorderlineSMOTE and ADASYN."""

from collections import Counter
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from equipoise.data import smote as interpolation
from equipoise.data.smote import (
    INTERPOLATIONS,
    draw_segments,
    find_neighborhood,
    interpolate,
    nearest,
)
from equipoise.exceptions import DataError, NoStartError, SettingError
from equipoise.randomness import make_rng

Cloud = tuple[NDArray[np.float64], NDArray[np.int64]]


def clouds(counts: tuple[int, ...] = (60, 25, 14), d: int = 3, seed: int = 0) -> Cloud:
    """Overlapping normal clouds, one for each class, in a mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)
    return rng.normal(size=(len(labels), d)) + 0.8 * labels[:, None], labels


def pairs_of(new: NDArray[Any], points: NDArray[Any], k: int = 5) -> set[tuple[int, int]]:
    """Find for each new point the pair (point, one of its k neighbors) whose segment it lies on."""
    near = (
        NearestNeighbors(n_neighbors=k + 1)
        .fit(points)
        .kneighbors(points, return_distance=False)[:, 1:]
    )
    pairs = set()
    for point in new:
        for start, ends in enumerate(near):
            along = points[ends] - points[start]
            share = ((point - points[start]) * along).sum(axis=1) / (along**2).sum(axis=1)
            miss = np.abs(points[start] + share[:, None] * along - point).max(axis=1)
            hits = ends[(miss < 1e-9) & (share >= 0) & (share <= 1)]
            pairs |= {(start, int(end)) for end in hits[:1]}
    return pairs


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_counts_are_exact_and_classes_come_one_after_another(name: str) -> None:
    new, labels = interpolate(name, *clouds(), {2: 46, 1: 33}, seed=0)
    assert new.shape == (79, 3)
    assert labels.tolist() == [2] * 46 + [1] * 33


@settings(deadline=None, max_examples=25)
@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=4),
    n=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_every_new_point_is_between_two_of_its_class(counts: list[int], n: int, seed: int) -> None:
    flat, labels = clouds(tuple(counts), d=1, seed=seed)  # in one dimension
    new, new_labels = interpolate("smote", flat, labels, {0: n}, seed)
    of_class = flat[labels == 0]
    assert new_labels.tolist() == [0] * n
    assert (of_class.min() <= new).all()
    assert (new <= of_class.max()).all()


def test_new_points_lie_on_segments_to_near_neighbors_of_the_same_class() -> None:
    flat, labels = clouds()
    of_class = flat[labels == 2]
    new, _ = interpolate("smote", flat, labels, {2: 300}, seed=0)
    reference = SMOTE(sampling_strategy={2: 314}, random_state=0).fit_resample(flat, labels)[0][
        len(flat) :
    ]
    assert all(pairs_of(point[None], of_class) for point in new)
    # 14 points with 5 neighbors each: of 300 draws nearly all pairs occur, the same in both
    ours, theirs = pairs_of(new, of_class), pairs_of(reference, of_class)
    assert len(ours & theirs) > 0.9 * len(ours | theirs)


def test_the_way_along_a_segment_is_uniform() -> None:
    new, _ = interpolate(
        "smote", np.array([[0.0], [1.0], [9.0]]), np.array([5, 5, 6]), {5: 2000}, seed=1
    )
    share, _ = np.histogram(new, bins=4, range=(0, 1))
    assert (np.abs(share - 500) < 80).all(), share  # 4 sd of a binomial count are 77


def test_border_of_a_hand_made_example() -> None:
    """Eleven points of each class on a line; those in danger are counted by hand.

    Class 1 is at 0, 1, ..., 10, class 0 at 10.4, 11.4, ..., 20.4. Of the 10 nearest neighbors of 10
    the other class has 10.4, 11.4, 12.4, 13.4, 14.4 (distances 0.4 to 4.4; those of its class 1, 2,
    3, 4, 5): 5 of 10, danger. Of those of 9, at 1.4, 2.4, 3.4, 4.4 against 1 (twice), 2, 3, 4, 5: 4
    of 10, safe. All others are safer. A last point of class 1 at 25 has other classes only: noise.
    """
    flat = np.concatenate([np.arange(11.0), 10.4 + np.arange(11.0), [25.0]])[:, None]
    labels = np.array([1] * 11 + [0] * 11 + [1])
    weights = find_neighborhood("borderline_smote", flat, labels, 1).weights
    assert np.flatnonzero(weights).tolist() == [10]


@pytest.mark.parametrize("seed", range(5))
def test_border_is_that_of_imbalanced_learn(seed: int) -> None:
    flat, labels = clouds(seed=seed)
    reference = BorderlineSMOTE(random_state=0)
    reference.fit_resample(flat, labels)
    for label in (1, 2):
        weights = find_neighborhood("borderline_smote", flat, labels, label).weights
        in_danger = np.flatnonzero(labels == label)[weights > 0]
        np.testing.assert_array_equal(in_danger, reference.in_danger_indices[label])


@pytest.mark.parametrize("seed", range(3))
def test_adasyn_starts_as_often_at_each_point_as_in_imbalanced_learn(seed: int) -> None:
    flat, labels = clouds((60, 20), seed=seed)
    n_class, n = int((labels == 1).sum()), 40
    neighborhood = find_neighborhood("adasyn", flat, labels, 1)
    segments = draw_segments(neighborhood, n, np.random.default_rng(0))
    ours = np.bincount(segments.starts, minlength=n_class)
    with patch.object(
        np, "repeat", wraps=np.repeat
    ) as repeat:  # what imbalanced-learn starts at each point
        ADASYN(random_state=0).fit_resample(flat, labels)
    theirs = next(
        call.args[1] for call in repeat.call_args_list if np.size(call.args[1]) == n_class
    )
    assert ours.sum() == n
    assert abs(theirs.sum() - n) <= n_class
    assert (np.abs(ours - theirs) <= 1).all()  # both are n r_i, rounded
    np.testing.assert_array_equal(np.rint(neighborhood.weights * n), theirs)


def test_adasyn_adds_as_many_points_as_requested_although_its_formula_does_not() -> None:
    """Counts round(G r_i) sum to G within half the number of points, not within K.

    20 points of class 1, each of which has the same neighbors of class 0: r_i = 1 / 20. Of G = 9
    every point has 0.45, rounded 0: the sum is 9 off, with 2 classes and 5 neighbors. Ours is G.
    """
    pairs = 100.0 * np.arange(20)
    flat = np.concatenate([pairs, *(pairs + 1 + 0.1 * i for i in range(5))])[:, None]
    labels = np.repeat([1, 0], [20, 100])
    neighborhood = find_neighborhood("adasyn", flat, labels, 1)
    np.testing.assert_allclose(neighborhood.weights, 1 / 20)
    assert np.rint(9 * neighborhood.weights).sum() == 0
    starts = np.bincount(draw_segments(neighborhood, 9, make_rng(0)).starts, minlength=20)
    assert (starts.sum(), starts.max()) == (9, 1)


@pytest.mark.parametrize("n", [1, 7, 20, 53])
def test_starts_are_spread_as_evenly_as_the_weights_allow(n: int) -> None:
    flat, labels = clouds((60, 20))
    neighborhood = find_neighborhood("smote", flat, labels, 1)
    starts = np.bincount(draw_segments(neighborhood, n, make_rng(0)).starts, minlength=20)
    assert starts.sum() == n
    assert set(starts.tolist()) <= {n // 20, -(-n // 20)}


def test_order_of_new_points_is_mixed() -> None:
    starts = draw_segments(find_neighborhood("smote", *clouds(), 2), 140, make_rng(0)).starts
    assert Counter(starts[:70].tolist()) != Counter(starts[70:].tolist())
    assert (np.diff(starts) == 0).sum() < 40  # sorted by start it would be 126


def test_equal_points_are_neighbors_but_no_point_is_its_own() -> None:
    flat = np.repeat(np.array([[0.0, 1.0], [2.0, 3.0]]), 4, axis=0)
    near = nearest(flat, np.arange(8), np.arange(8), 3)
    assert near.shape == (8, 3)
    for row, neighbors in enumerate(near.tolist()):
        assert set(neighbors) == set(range(row // 4 * 4, row // 4 * 4 + 4)) - {row}


@pytest.mark.parametrize("name", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_blocks_change_nothing(name: str, dtype: str) -> None:
    flat, labels = clouds(d=20)
    flat = (flat * 20 + 100).astype(dtype)
    whole = interpolate(name, flat, labels, {2: 30}, seed=3)[0]
    with patch.object(interpolation, "BLOCK_BYTES", 7 * 20 * 8):  # seven rows of float64
        blocks = interpolate(name, flat, labels, {2: 30}, seed=3)[0]
    np.testing.assert_array_equal(whole, blocks)


def test_small_classes_use_the_neighbors_they_have() -> None:
    flat, labels = clouds((30, 3))
    assert find_neighborhood("smote", flat, labels, 1).neighbors.shape == (3, 2)
    assert find_neighborhood("smote", flat, labels, 1, k_neighbors=1).neighbors.shape == (3, 1)


def test_whole_numbers_become_float32_and_floats_stay() -> None:
    flat, labels = clouds()
    for dtype, expected in (
        ("uint8", "float32"),
        ("uint16", "float32"),
        ("float32", "float32"),
        ("float64",) * 2,
    ):
        new, _ = interpolate("smote", np.abs(flat * 10).astype(dtype), labels, {2: 3}, seed=0)
        assert new.dtype == expected


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_same_seed_same_points_and_nothing_global(name: str) -> None:
    np.random.seed(5)  # noqa: NPY002 (it must not be used)
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first, again, other = (interpolate(name, *clouds(), {2: 9}, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


APART = (np.repeat([0.0, 100.0], 12)[:, None] + np.arange(24)[:, None], np.repeat([0, 1], 12))


@pytest.mark.parametrize(
    ("name", "cloud", "wanted", "error", "message"),
    [
        ("smoat", clouds(), {1: 3}, SettingError, "'smoat'.*'smote'"),
        (
            "smote",
            clouds((9, 1)),
            {1: 3},
            DataError,
            "Class 1 has 1 .*smote .* 2",
        ),
        ("smote", clouds(), {7: 3}, DataError, r"\[0, 1, 2\], got 7"),
        (
            "smote",
            (np.full((4, 2), np.nan), np.array([0, 0, 1, 1])),
            {1: 3},
            DataError,
            "finite points",
        ),
        (
            "smote",
            (np.zeros((4, 2, 2)), np.array([0, 0, 1, 1])),
            {1: 3},
            DataError,
            r"of shape \(n, d\)",
        ),
        (
            "borderline_smote",
            APART,
            {1: 3},
            NoStartError,
            "class 1 .*half or more.*smote",
        ),
        (
            "adasyn",
            APART,
            {1: 3},
            NoStartError,
            "class 1 .*any of its nearest.*smote",
        ),
    ],
)
def test_classes_and_methods_that_cannot_work_are_named(
    name: str, cloud: Any, wanted: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        interpolate(name, cloud[0], cloud[1], wanted, seed=0)
