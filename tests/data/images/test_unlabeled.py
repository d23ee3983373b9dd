"""Images without classes are found at any depth and decoded like those with classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.options import ReadOptions
from equipoise.data.images.unlabeled import read_unlabeled
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
    with pytest.raises(DataError, match=r"1 of 5 images.*torn\.png.*skip"):
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
