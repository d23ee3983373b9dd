"""Folds of patients: each is tested once, none is in two parts, rare classes are spread."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.patient_folds import patient_folds
from equipoise.data.volume_dataset import Volume, VolumeDataset
from equipoise.data.volumes.labels import plain
from equipoise.exceptions import DataError, SettingError


def dataset(table: list[list[int]], groups: list[int] | None = None) -> VolumeDataset:
    """Cases with these numbers of voxels, without arrays; by default each is its own patient."""
    volumes = tuple(
        Volume(
            id=f"case-{i}",
            folder=Path("none"),
            shape=(1, 1, 1),
            spacing_mm=(1, 1, 1),
            counts=tuple(counts),
            digest=f"{i}",
        )
        for i, counts in enumerate(table)
    )
    return VolumeDataset(
        volumes=volumes,
        groups=np.array(range(len(table)) if groups is None else groups, dtype=np.int64),
        modalities=("t1",),
        scheme=plain(range(len(table[0]))),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[VolumeDataset, int, int]:
    """3 to 12 patients of 1 to 3 cases, up to 4 classes of any rarity, folds and a seed."""
    n, k = draw(st.integers(3, 12)), draw(st.integers(2, 4))
    n_folds, seed = draw(st.integers(2, n)), draw(st.integers(0, 99))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = rng.permutation(
        np.repeat(rng.choice(1000, n, replace=False), rng.integers(1, 4, size=n))
    )
    table = rng.integers(1, 50, size=(len(groups), k)) * (
        rng.random((len(groups), k)) < rng.random(k)
    )
    table[:, 0] = 100
    return dataset(table.tolist(), groups.tolist()), (n if n == 3 else n_folds), seed


def classes_of(data: VolumeDataset) -> dict[int, frozenset[int]]:
    """Classes of each patient."""
    return {int(p): frozenset(data.present(data.groups == p)) for p in np.unique(data.groups)}


@settings(deadline=None, max_examples=40)
@given(cases())
def test_every_patient_is_tested_once_and_is_in_one_part(
    case: tuple[VolumeDataset, int, int],
) -> None:
    data, n_folds, seed = case
    folds = patient_folds(data, n_folds=n_folds, seed=seed)
    assert [fold.name for fold in folds] == [f"fold-{i}" for i in range(n_folds)]
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(data)))
    for fold in folds:
        parts = [fold.train, fold.validation, fold.test]
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(data)))
        patients = [set(data.groups[rows].tolist()) for rows in parts]
        assert all(patients)
        assert len(patients[1]) == 1
        assert sum(map(len, patients)) == len(
            set(data.groups.tolist())
        )  # all cases of a patient stay together
        assert all((np.diff(rows) > 0).all() for rows in parts)
    sizes = [len(set(data.groups[fold.test].tolist())) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=40)
@given(cases())
def test_validation_costs_train_as_few_classes_as_any_choice(
    case: tuple[VolumeDataset, int, int],
) -> None:
    """The reference tries every patient."""
    data, n_folds, seed = case
    classes = classes_of(data)
    for fold in patient_folds(data, n_folds=n_folds, seed=seed):
        rest = set(data.groups.tolist()) - set(data.groups[fold.test].tolist())
        most = 0
        for validating in rest:
            trained = [classes[patient] for patient in rest - {validating}]
            most = max(most, len(frozenset().union(*trained)))
        assert len(data.present(fold.train)) == most


@settings(deadline=None, max_examples=30)
@given(cases())
def test_same_seed_same_folds(case: tuple[VolumeDataset, int, int]) -> None:
    data, n_folds, seed = case
    first, again = (patient_folds(data, n_folds=n_folds, seed=seed) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))


def test_another_seed_gives_other_folds() -> None:
    data = dataset([[9, 1]] * 12)
    tested = {
        tuple(tuple(fold.test) for fold in patient_folds(data, n_folds=3, seed=seed))
        for seed in range(5)
    }
    assert len(tested) == 5


@settings(deadline=None, max_examples=40)
@given(n=st.integers(3, 14), n_folds=st.integers(2, 14), validation=st.integers(1, 4))
def test_patients_take_turns_at_validation(n: int, n_folds: int, validation: int) -> None:
    n_folds = min(n_folds, n)
    if validation >= n - -(-n // n_folds):
        return
    folds = patient_folds(dataset([[9, 1]] * n), n_folds=n_folds, validation=validation)
    times = np.bincount(np.concatenate([fold.validation for fold in folds]), minlength=n)
    assert times.max() - times.min() <= 1


def test_leaving_one_patient_out_is_the_default() -> None:
    folds = patient_folds(dataset([[9, 1]] * 5))
    assert sorted(fold.test.tolist() for fold in folds) == [[0], [1], [2], [3], [4]]
    assert sorted(fold.validation.tolist() for fold in folds) == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_spread_over_the_folds(seed: int) -> None:
    """Folds that ignore labels may contain all patients of a rare class (nnU-Net issue 770)."""
    data = dataset([[9, 1, 1 if i < 3 else 0, 1 if i % 2 else 0] for i in range(12)])
    for fold in patient_folds(data, n_folds=3, seed=seed):
        assert (data.table[fold.test, 2] > 0).sum() == 1
        assert (data.table[fold.test, 3] > 0).sum() == 2
        assert data.present(fold.train) == {0, 1, 2, 3}
        fold.check(data)


def test_the_last_patient_of_a_class_trains() -> None:
    data = dataset([[9, 1], [9, 1], [9, 0], [9, 0], [9, 0]])
    for fold in patient_folds(data):
        assert 1 in data.present(fold.train)
        fold.check(data)


def test_a_class_of_one_patient_is_missing_when_that_patient_is_tested() -> None:
    data = dataset([[9, 1], [9, 0], [9, 0], [9, 0]])
    missing = [fold for fold in patient_folds(data) if 1 not in data.present(fold.train)]
    assert [fold.test.tolist() for fold in missing] == [[0]]
    missing[0].check(data)  # it may run: the plan of a study says what it cannot show


@pytest.mark.parametrize(("validation", "expected"), [(2, 2), (0.25, 2), (0.01, 1), (7, 7)])
def test_size_of_validation(validation: float, expected: int) -> None:
    for fold in patient_folds(dataset([[9, 1]] * 10), n_folds=5, validation=validation):
        assert len(fold.validation) == expected


def test_fewer_than_three_patients() -> None:
    with pytest.raises(DataError, match=r"3 patients.*got 2"):
        patient_folds(dataset([[9, 1]] * 4, [7, 7, 8, 8]))


@pytest.mark.parametrize("n_folds", [0, 1, 6])
def test_bad_number_of_folds(n_folds: int) -> None:
    with pytest.raises(SettingError, match="2 to 5 folds"):
        patient_folds(dataset([[9, 1]] * 5), n_folds=n_folds)


def test_folds_so_large_that_one_patient_is_left() -> None:
    with pytest.raises(SettingError, match=r"\b1 that"):
        patient_folds(dataset([[9, 1]] * 3), n_folds=2)


@pytest.mark.parametrize("validation", [0, -1, 4, 0.99, 0.0, 1.0, 1.5, float("nan")])
def test_bad_size_of_validation(validation: float) -> None:
    with pytest.raises(SettingError, match="validation"):
        patient_folds(dataset([[9, 1]] * 5), validation=validation)
