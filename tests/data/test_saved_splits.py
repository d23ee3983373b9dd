"""Splits survive the disk, and are refused where they belong to other images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import PARTS, hold_out, load_splits, save_splits
from equipoise.exceptions import DataError, LeakageError


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
    with pytest.raises(DataError, match="are of other images, labels or patients"):
        load_splits(tmp_path / "splits.json", change(toy))


def test_splits_changed_by_hand_are_checked_again(tmp_path: Path, toy: ImageDataset) -> None:
    path = tmp_path / "splits.json"
    save_splits(path, hold_out(toy), toy)
    stored = json.loads(path.read_text())
    stored["splits"][0]["train"].append(stored["splits"][0]["test"][0])
    path.write_text(json.dumps(stored))
    with pytest.raises(LeakageError, match="in both train and test of split-0"):
        load_splits(path, toy)
    stored["splits"][0]["train"][-1] = "nobody"
    path.write_text(json.dumps(stored))
    with pytest.raises(
        DataError, match="Image nobody is in the file of splits but not in the dataset"
    ):
        load_splits(path, toy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dataset": "x", "splits": [{"name": "a"}]}'])
def test_a_file_that_holds_no_splits_is_refused(
    tmp_path: Path, toy: ImageDataset, text: str
) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(DataError, match="is not a file of splits"):
        load_splits(tmp_path / "splits.json", toy)


def test_a_missing_file_of_splits_is_named(tmp_path: Path, toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"Expected a file of splits at .*none\.json, found none"):
        load_splits(tmp_path / "none.json", toy)


def test_repeated_ids_cannot_be_saved(tmp_path: Path, toy: ImageDataset) -> None:
    with pytest.raises(DataError, match="repeated ones"):
        save_splits(tmp_path / "splits.json", (), replace(toy, ids=np.full(len(toy), "same")))
    assert not (tmp_path / "splits.json").exists()
