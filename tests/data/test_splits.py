"""Splits keep patients apart and class shares even, refuse leaks, and survive the disk."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.dataset import SYNTHETIC, ImageDataset
from equipoise.data.splits import (
    PARTS,
    Split,
    hold_out,
    k_fold,
    load_splits,
    save_splits,
    source_splits,
)
from equipoise.exceptions import DataError, LeakageError, SettingError


def tiny(labels: list[int], groups: list[int] | None = None) -> ImageDataset:
    """Blank images with these labels and patients (default: each image its own)."""
    n = len(labels)
    return ImageDataset(
        images=np.zeros((n, 1, 4, 4), dtype=np.uint8),
        labels=np.array(labels, dtype=np.int64),
        class_names=tuple("abcdefg"[: max(labels) + 1]),
        groups=np.array(range(n) if groups is None else groups, dtype=np.int64),
        ids=np.array([f"id-{i}" for i in range(n)]),
    )


@st.composite
def grouped(draw: st.DrawFn) -> ImageDataset:
    """2 to 4 classes, at least 9 patients for each, of 1 to 5 images, mostly of one class."""
    n_classes = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels: list[int] = []
    groups: list[int] = []
    for label in range(n_classes):
        for _ in range(draw(st.integers(9, 40))):
            patient, n = (groups[-1] + 1 if groups else 0), int(rng.integers(1, 6))
            labels += [label] + [
                label if rng.random() < 0.8 else int(rng.integers(n_classes)) for _ in range(n - 1)
            ]
            groups += [patient] * n
    order = rng.permutation(len(labels))
    return tiny([labels[i] for i in order], [groups[i] for i in order])


def shares(dataset: ImageDataset, rows: np.ndarray) -> np.ndarray:
    return np.bincount(dataset.labels[rows], minlength=len(dataset.class_names)) / dataset.counts


@settings(deadline=None, max_examples=40)
@given(dataset=grouped(), seed=st.integers(0, 1000))
def test_hold_out_keeps_patients_apart_and_classes_everywhere(
    dataset: ImageDataset, seed: int
) -> None:
    for split in hold_out(dataset, n_splits=2, seed=seed):
        split.check(dataset)
        parts = [getattr(split, part) for part in PARTS]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(dataset)))
        for rows, share in zip(parts, (0.6, 0.15, 0.25), strict=True):
            assert rows.dtype == np.int64
            assert (np.diff(rows) > 0).all()
            # a patient has at most 5 images; those of two patients may exceed a share
            assert (np.abs(shares(dataset, rows) - share) * dataset.counts <= 10).all()
            assert (shares(dataset, rows) > 0).all()


@settings(deadline=None, max_examples=40)
@given(counts=st.lists(st.integers(3, 80), min_size=2, max_size=5), seed=st.integers(0, 1000))
def test_ungrouped_shares_are_exact_up_to_rounding(counts: list[int], seed: int) -> None:
    dataset = tiny(np.repeat(np.arange(len(counts)), counts).tolist())
    (split,) = hold_out(dataset, n_splits=1, seed=seed)
    for part, share in zip(PARTS, (0.6, 0.15, 0.25), strict=True):
        got = shares(dataset, getattr(split, part)) * dataset.counts
        assert (np.abs(got - share * dataset.counts) < 2).all()
        assert (got >= 1).all()


@settings(deadline=None, max_examples=20)
@given(dataset=grouped(), n_folds=st.integers(2, 5), n_repeats=st.integers(1, 2))
def test_every_image_is_tested_once_in_each_repeat(
    dataset: ImageDataset, n_folds: int, n_repeats: int
) -> None:
    splits = k_fold(dataset, n_folds=n_folds, n_repeats=n_repeats, seed=3)
    assert len({split.name for split in splits}) == n_folds * n_repeats
    tested = np.sort(np.concatenate([split.test for split in splits]))
    np.testing.assert_array_equal(tested, np.repeat(np.arange(len(dataset)), n_repeats))
    for split in splits:
        split.check(dataset)
        assert (shares(dataset, split.test) > 0).all()
        assert (shares(dataset, split.validation) > 0).all()


def test_repeats_of_k_fold_differ() -> None:
    dataset = tiny([0] * 30 + [1] * 15)
    splits = k_fold(dataset, n_folds=3, n_repeats=2)
    assert not any(np.array_equal(a.test, b.test) for a in splits[:3] for b in splits[3:])


def test_same_seed_same_splits_other_seed_others() -> None:
    dataset = tiny([0] * 30 + [1] * 15)
    first, again, other = (hold_out(dataset, seed=seed)[1] for seed in (0, 0, 1))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
    assert not np.array_equal(first.test, other.test)
    assert not np.array_equal(first.test, hold_out(dataset, seed=0)[0].test)


def test_large_patients_are_not_always_in_the_same_part() -> None:
    dataset = tiny([0] * 40 + [1] * 20, [0] * 4 + list(range(1, 37)) + list(range(100, 120)))
    tested = [0 in split.test for split in hold_out(dataset, n_splits=40)]
    assert 3 <= sum(tested) <= 20  # expected 10


def test_a_patient_too_large_for_the_others_goes_to_train() -> None:
    dataset = tiny([0] * 40 + [1] * 20, [0] * 20 + list(range(1, 21)) + list(range(100, 120)))
    assert all(0 in split.train for split in hold_out(dataset, n_splits=10))


@pytest.mark.parametrize("n_splits", [1, 20])
def test_three_patients_of_a_class_are_enough(n_splits: int) -> None:
    dataset = tiny([0] * 50 + [1] * 3)
    for split in hold_out(dataset, n_splits=n_splits):
        assert [int((dataset.labels[getattr(split, part)] == 1).sum()) for part in PARTS] == [
            1,
            1,
            1,
        ]


@pytest.mark.parametrize(("groups", "n_patients"), [([7, 7, 7], 1), ([7, 7, 8], 2)])
def test_too_few_patients_of_a_class_is_named(groups: list[int], n_patients: int) -> None:
    dataset = tiny([0] * 50 + [1] * 3, [*range(100, 150), *groups])
    with pytest.raises(DataError, match=rf"3 patients or more .*'b' \({n_patients}\)"):
        hold_out(dataset)


def test_classes_that_no_assignment_spreads_are_refused() -> None:
    # b is in patients 1, 2, 3, c in 1, 2, 4 and d in 1, 3, 4: if 1, 2, 3 are apart, 3 and 4 are not
    dataset = tiny(
        [0] * 12 + [1, 1, 1, 2, 2, 2, 3, 3, 3], [*range(100, 112), 1, 2, 3, 1, 2, 4, 1, 3, 4]
    )
    with pytest.raises(
        DataError,
        match="train, validation, test",
    ):
        hold_out(dataset)


@pytest.mark.parametrize(
    "change",
    [
        {"test": 0.0},
        {"test": 1.2},
        {"validation": 0.0},
        {"test": 0.6, "validation": 0.4},
        {"n_splits": 0},
    ],
)
def test_shares_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="Expected"):
        hold_out(tiny([0] * 9 + [1] * 9), **change)  # type: ignore[arg-type]


def test_one_fold_is_refused() -> None:
    with pytest.raises(SettingError, match="2 folds, got 1"):
        k_fold(tiny([0] * 9 + [1] * 9), n_folds=1)


@pytest.mark.parametrize(
    "how", [hold_out, k_fold, lambda d: source_splits(d, ["train", "test"] * (len(d) // 2))]
)
def test_synthetic_images_are_never_split(how) -> None:  # type: ignore[no-untyped-def]
    dataset = tiny([0] * 9 + [1] * 9, [*range(16), SYNTHETIC, SYNTHETIC])
    with pytest.raises(LeakageError, match="got 2 synthetic"):
        how(dataset)


# ---- check ----


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


GOOD = Split(name="split-2", train=rows(0, 1, 2), validation=rows(3, 4), test=rows(5, 6))


def test_check_accepts_a_clean_split_with_synthetic_images_in_train() -> None:
    GOOD.check(tiny([0, 1, 0, 1, 0, 1, 0]))
    GOOD.check(tiny([0, 1, 0, 1, 0, 1, 0], [0, 1, SYNTHETIC, 3, 4, 5, 6]))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [104, 211, 9, 3, 4, 104, 211],
            "Patients 104 and 211 .* train and test of split-2",
        ),
        ([1, 2, 9, 3, 4, 3, 5], "Patient 3 .* validation and test of split-2"),
        ([1, 2, 3, 1, 2, 5, 6], "Patients 1 and 2 .* train and validation of split-2"),
    ],
)
def test_check_names_patients_that_cross(groups: list[int], message: str) -> None:
    with pytest.raises(LeakageError, match=message):
        GOOD.check(tiny([0, 1, 0, 1, 0, 1, 0], groups))


def test_check_names_a_few_of_many_patients() -> None:
    dataset = tiny([0, 1] * 6, [*range(6), *range(6)])
    split = Split(
        name="s", train=rows(0, 1, 2, 3, 4, 5), validation=rows(6, 7, 8, 9, 10), test=rows(11)
    )
    with pytest.raises(LeakageError, match=r"0, 1, 2 and 2 more .*train and validation of s\."):
        split.check(dataset)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"test": rows(0, 6)}, LeakageError, "Image id-0 .* train and test"),
        ({"validation": rows()}, DataError, "image in validation"),
        ({"test": rows(5, 7)}, DataError, "0 to 6 in test of split-2, got 5 to 7"),
        ({"test": rows(-1, 5)}, DataError, "0 to 6 in test of split-2, got -1 to 5"),
        ({"train": rows(0, 2)}, DataError, "Train of split-2 .*'b'"),
    ],
)
def test_check_refuses_broken_splits(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(GOOD, **change).check(tiny([0, 1, 0, 1, 0, 1, 0]))


@pytest.mark.parametrize("row", [3, 6])
def test_check_refuses_synthetic_images_outside_train(row: int) -> None:
    dataset = tiny([0, 1, 0, 1, 0, 1, 0])
    dataset.groups[row] = SYNTHETIC
    with pytest.raises(LeakageError, match=r"split-2.* 1 synthetic"):
        GOOD.check(dataset)


# ---- the source's own split ----


def test_source_test_part_is_kept_and_validation_drawn_from_train() -> None:
    dataset = tiny([0, 1] * 30, [i // 2 for i in range(60)])
    assigned = np.array(["train"] * 40 + ["test"] * 20)
    splits = source_splits(dataset, assigned, n_splits=3, validation=0.25)
    assert len(splits) == 3
    for split in splits:
        np.testing.assert_array_equal(split.test, np.arange(40, 60))
        assert len(split.validation) == 10
    assert not np.array_equal(splits[0].validation, splits[1].validation)


def test_source_validation_part_is_kept_and_not_repeated() -> None:
    dataset = tiny([0, 1] * 6)
    assigned = ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
    (split,) = source_splits(dataset, assigned, n_splits=5)
    assert [getattr(split, part).tolist() for part in PARTS] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7],
        [8, 9, 10, 11],
    ]


def test_images_that_the_source_does_not_assign_train() -> None:
    assigned = ["train"] * 4 + [""] * 2 + ["validation"] * 2 + ["test"] * 4
    (split,) = source_splits(tiny([0, 1] * 6), assigned)
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("assigned", "message"),
    [
        (["train"] * 12, "no test images"),
        (["test"] * 12, "no train images"),
        (["train"] * 11 + ["tset"], r"got \['tset'\]"),
        (["train"] * 3, "12 names of parts"),
    ],
)
def test_source_splits_that_cannot_be_used_are_refused(assigned: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        source_splits(tiny([0, 1] * 6), assigned)


def test_a_source_whose_patients_cross_is_refused() -> None:
    dataset = tiny([0, 1] * 6, [0, 1, 2, 3, 4, 5, 0, 1, 8, 9, 10, 11])
    with pytest.raises(
        LeakageError,
        match=r"2 of 10 .* such as that of .*, .*hold_out",
    ):
        source_splits(dataset, ["train"] * 6 + ["test"] * 6)


# ---- splits on disk ----


def test_splits_survive_the_disk_another_order_and_other_pixels(
    tmp_path: Path, toy: ImageDataset
) -> None:
    splits = hold_out(toy)
    save_splits(tmp_path / "splits.json", splits, toy)
    shuffled = toy.subset(np.random.default_rng(0).permutation(len(toy)))
    smaller = replace(shuffled, images=shuffled.images[:, :, ::2, ::2])
    for loaded, split in zip(load_splits(tmp_path / "splits.json", smaller), splits, strict=True):
        assert loaded.name == split.name
        for part in PARTS:
            assert set(smaller.ids[getattr(loaded, part)]) == set(toy.ids[getattr(split, part)])


def other_labels(dataset: ImageDataset) -> ImageDataset:
    return replace(dataset, labels=dataset.labels[::-1].copy())


def other_patients(dataset: ImageDataset) -> ImageDataset:
    return replace(dataset, groups=np.arange(len(dataset)))


def fewer(dataset: ImageDataset) -> ImageDataset:
    return dataset.subset(np.arange(len(dataset) - 1))


@pytest.mark.parametrize("change", [other_labels, other_patients, fewer])
def test_splits_of_another_dataset_are_refused(tmp_path: Path, toy: ImageDataset, change) -> None:  # type: ignore[no-untyped-def]
    save_splits(tmp_path / "splits.json", hold_out(toy), toy)
    with pytest.raises(DataError, match="images, labels or patients"):
        load_splits(tmp_path / "splits.json", change(toy))


def test_splits_changed_by_hand_are_checked_again(tmp_path: Path, toy: ImageDataset) -> None:
    path = tmp_path / "splits.json"
    save_splits(path, hold_out(toy), toy)
    path.with_name("splits.json.sha256").unlink()
    stored = json.loads(path.read_text())
    stored["splits"][0]["train"].append(stored["splits"][0]["test"][0])
    path.write_text(json.dumps(stored))
    with pytest.raises(LeakageError, match=r"train and test.*split-0"):
        load_splits(path, toy)
    stored["splits"][0]["train"][-1] = "nobody"
    path.write_text(json.dumps(stored))
    with pytest.raises(DataError, match=r"Image nobody .*dataset"):
        load_splits(path, toy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dataset": "x", "splits": [{"name": "a"}]}'])
def test_a_file_that_holds_no_splits_is_refused(
    tmp_path: Path, toy: ImageDataset, text: str
) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(DataError, match=r"splits\.json .*damaged"):
        load_splits(tmp_path / "splits.json", toy)


def test_a_missing_file_of_splits_is_named(tmp_path: Path, toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"none\.json, found none"):
        load_splits(tmp_path / "none.json", toy)


def test_repeated_ids_cannot_be_saved(tmp_path: Path, toy: ImageDataset) -> None:
    with pytest.raises(DataError, match="repeated"):
        save_splits(tmp_path / "splits.json", (), replace(toy, ids=np.full(len(toy), "same")))
    assert not (tmp_path / "splits.json").exists()
