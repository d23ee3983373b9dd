"""Images without classes are found at any depth and decoded like those with classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.unlabeled import in_classes_of, read_collection, read_unlabeled
from equipoise.data.reading import read
from equipoise.exceptions import DataError

OPTIONS = ReadOptions(size=12, fit="crop", channels="gray", cache="off")
FILES = ("a/one.png", "a/three.png", "b/deep/two.png", "b/four.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four oblong images, and files that are no images."""
    rng = np.random.default_rng(0)
    for file in (*FILES, "a/.hidden.png"):
        (tmp_path / "new" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, size=(20, 30), dtype=np.uint8)).save(
            tmp_path / "new" / file
        )
    (tmp_path / "new" / "notes.txt").write_text("hello")
    return tmp_path / "new"


def test_images_are_those_of_the_labeled_reader(folder: Path) -> None:
    unlabeled = read_unlabeled(folder, OPTIONS)
    assert unlabeled.files == FILES
    labeled = read(folder, OPTIONS).dataset
    rows = [labeled.ids.tolist().index(file) for file in unlabeled.files]
    np.testing.assert_array_equal(unlabeled.images, labeled.images[rows])
    assert unlabeled.images.shape == (4, 1, 12, 12)


def test_images_may_lie_directly_in_the_folder_or_be_one_file(folder: Path) -> None:
    assert read_unlabeled(folder / "b" / "deep", OPTIONS).files == ("two.png",)
    assert read_unlabeled(folder / "a" / "one.png", OPTIONS).files == ("one.png",)


def test_unreadable_files_stop_or_are_left_out(folder: Path) -> None:
    (folder / "a" / "torn.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 5 .*torn\.png.*skip"):
        read_unlabeled(folder, OPTIONS)
    unlabeled = read_unlabeled(folder, ReadOptions(size=12, channels="gray", on_error="skip"))
    assert unlabeled.files == FILES
    assert len(unlabeled.images) == 4
    assert unlabeled.skipped[0].startswith("a/torn.png: ")


def test_a_folder_without_images_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    for place in (folder / "empty", folder / "nowhere"):
        with pytest.raises(DataError, match=rf"images .*{place.name}, found none"):
            read_unlabeled(place, OPTIONS)
    (folder / "empty" / "torn.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"torn\.png"):
        read_unlabeled(folder / "empty", ReadOptions(size=12, on_error="skip"))


# ---- collections ----


def test_class_folders_of_a_collection_may_have_one_image(folder: Path) -> None:
    (folder / "a" / "three.png").unlink()
    loaded = read_collection(folder, OPTIONS)
    assert loaded.dataset.class_names == ("a", "b")
    assert loaded.dataset.ids.tolist() == ["a/one.png", "b/deep/two.png", "b/four.png"]
    assert loaded.dataset.labels.tolist() == [0, 1, 1]
    assert loaded.dataset.groups.tolist() == [0, 1, 2]
    assert loaded.source_split is None
    grouped = read_collection(folder, replace(OPTIONS, groups=r"/(\w)")).dataset
    assert grouped.groups.tolist() == [2, 0, 1]


def test_images_directly_in_a_collection_are_one_class(folder: Path) -> None:
    loaded = read_collection(folder / "b" / "deep", OPTIONS)
    assert loaded.dataset.class_names == ("images",)
    with pytest.raises(DataError, match=r"b either class folders.* both"):
        read_collection(folder / "b", OPTIONS)


def test_split_folders_of_a_collection_are_above_its_classes(folder: Path) -> None:
    (folder / "a").rename(folder / "x")
    (folder / "Train").mkdir()
    (folder / "x").rename(folder / "Train" / "a")
    (folder / "test").mkdir()
    (folder / "b").rename(folder / "test" / "a")
    loaded = read_collection(folder, OPTIONS)
    assert loaded.dataset.class_names == ("a",)
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "train", "test", "test"]


def test_classes_are_numbered_as_in_the_reference(toy: ImageDataset) -> None:
    reference = replace(toy, class_names=("benign", "malignant"))
    dataset = replace(toy, class_names=("malignant", "benign"))
    renumbered = in_classes_of(dataset, reference, name="synthetic")
    assert renumbered.class_names == ("benign", "malignant")
    assert renumbered.labels.tolist() == (1 - toy.labels).tolist()
    with pytest.raises(DataError, match=r"benign, malignant.* cyst"):
        in_classes_of(replace(toy, class_names=("cyst", "benign")), reference, name="synthetic")


def test_names_of_single_classes_do_not_matter(toy: ImageDataset) -> None:
    single = replace(toy, class_names=("images",), labels=np.zeros(len(toy), dtype=np.int64))
    reference = replace(single, class_names=("films",))
    assert in_classes_of(single, reference, name="synthetic").class_names == ("films",)
