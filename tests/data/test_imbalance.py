"""Thinning follows the formulas, takes training rows only, and is nested over a sweep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.data.dataset import ImageDataset
from equipoise.data.imbalance import IMBALANCES, fraction, keep, thin
from equipoise.data.splits import hold_out
from equipoise.exceptions import SettingError


def labeled(counts: list[int]) -> ImageDataset:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    return ImageDataset(
        images=np.zeros((len(labels), 1, 2, 2), dtype=np.uint8),
        labels=labels.astype(np.int64),
        class_names=tuple(f"class-{k}" for k in range(len(counts))),
        groups=np.arange(len(labels)),
        ids=np.arange(len(labels)).astype(str),
    )


def counted(dataset: ImageDataset, rows: NDArray[np.int64]) -> list[int]:
    return [int(n) for n in np.bincount(dataset.labels[rows], minlength=len(dataset.class_names))]


@pytest.mark.parametrize(
    ("counts", "kind", "mu", "expected"),
    [
        ([100, 100, 100], "exp", 0.01, [100, 10, 2]),  # 100 * 0.01^(k/2) = 100, 10, 1; at least 2
        ([100, 100, 100, 100], "exp", 0.125, [100, 50, 25, 12]),
        ([30, 100, 80], "exp", 0.25, [25, 100, 50]),  # the smallest class becomes the rarest
        ([100, 10, 80], "exp", 0.5, [100, 10, 71]),  # no class grows
        ([100, 100, 100, 100], "step", 0.1, [100, 100, 10, 10]),
        ([100, 100, 100], "step", 0.1, [100, 100, 10]),
        ([50, 100], "step", 0.2, [20, 100]),
        ([100, 40], "binary", 0.25, [100, 10]),
        ([40, 100], "binary", 0.01, [2, 100]),
        ([100, 40], "binary", 1.0, [100, 40]),
        ([100], "exp", 0.5, [100]),
    ],
)
def test_class_sizes_follow_the_formulas(
    counts: list[int], kind: str, mu: float, expected: list[int]
) -> None:
    dataset = labeled(counts)
    assert counted(dataset, thin(dataset, np.arange(len(dataset)), kind=kind, mu=mu)) == expected


def test_classes_that_are_not_in_train_stay_absent() -> None:
    dataset = labeled([20, 20, 20])
    rows = np.flatnonzero(dataset.labels != 1)
    assert counted(dataset, thin(dataset, rows, kind="exp", mu=0.1)) == [20, 0, 2]
    assert counted(dataset, fraction(dataset, rows, 0.25)) == [5, 0, 5]


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(2, 60), min_size=1, max_size=6),
    kind=st.sampled_from(sorted(IMBALANCES)),
    small=st.floats(0.001, 1),
    seed=st.integers(0, 99),
)
def test_thinning_takes_training_rows_and_nests(
    counts: list[int], kind: str, small: float, seed: int
) -> None:
    dataset = labeled(counts)
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[: 1 + len(dataset) // 2])
    few = thin(dataset, rows, kind=kind, mu=small / 2, seed=seed)
    more = thin(dataset, rows, kind=kind, mu=small, seed=seed)
    assert set(few) <= set(more) <= set(rows)
    assert (np.diff(more) > 0).all()
    before, after = counted(dataset, rows), counted(dataset, few)
    for n_before, n_after in zip(before, after, strict=True):
        assert min(n_before, 2) <= n_after <= n_before


def test_fraction_is_stratified_nested_and_keeps_two() -> None:
    dataset = labeled([200, 40, 3])
    rows = np.arange(len(dataset))
    halves = [fraction(dataset, rows, share, seed=5) for share in (0.1, 0.5, 1.0)]
    assert [counted(dataset, half) for half in halves] == [[20, 4, 2], [100, 20, 2], [200, 40, 3]]
    assert set(halves[0]) < set(halves[1]) < set(halves[2]) == set(rows)
    assert not np.array_equal(halves[1], fraction(dataset, rows, 0.5, seed=6))


def test_only_named_classes_are_thinned() -> None:
    dataset = labeled([50, 40])
    rows = np.arange(90)
    assert counted(dataset, keep(dataset, rows, {0: 12})) == [12, 40]
    assert counted(dataset, keep(dataset, rows, {0: 0, 1: 999})) == [2, 40]
    with pytest.raises(SettingError, match=r"0 to 1, got \[2\]"):
        keep(dataset, rows, {2: 5})


def test_validation_and_test_are_untouched(toy: ImageDataset) -> None:
    (split,) = hold_out(toy, n_splits=1)
    thinned = thin(toy, split.train, kind="binary", mu=0.4)
    assert set(thinned) <= set(split.train)
    assert not set(thinned) & (set(split.validation) | set(split.test))


@pytest.mark.parametrize("mu", [0.0, -0.1, 1.01, float("nan")])
def test_shares_out_of_range_are_refused(toy: ImageDataset, mu: float) -> None:
    with pytest.raises(SettingError, match="mu above 0"):
        thin(toy, np.arange(9), kind="exp", mu=mu)
    with pytest.raises(SettingError, match="share above 0"):
        fraction(toy, np.arange(9), mu)


def test_an_unknown_kind_is_named(toy: ImageDataset) -> None:
    with pytest.raises(SettingError, match=r"'steps'.*'step'"):
        thin(toy, np.arange(9), kind="steps", mu=0.5)
