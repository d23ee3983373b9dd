"""The reader of images or volumes is chosen by what is at the path."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read, read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import write_case


@pytest.mark.parametrize(
    ("function", "readers"),
    [(read, "folder: .*medmnist: .*table: "), (read_volumes, "nifti: .*table: ")],
)
def test_an_absent_path_and_an_unknown_kind_list_the_readers(
    function: Any, readers: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"nowhere, found nothing.*{readers}"):
        function(tmp_path / "nowhere")
    (tmp_path / "films.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=rf"No reader .*films\.zip.*{readers}"):
        function(tmp_path / "films.zip")


def test_a_folder_without_volumes_is_not_recognized(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(DataError, match=r"No reader .*volumes.* nifti: "):
        read_volumes(tmp_path)


def test_a_string_and_the_home_folder_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_case(tmp_path / "brains/p1")
    loaded = read_volumes("~/brains", VolumeOptions(cache=tmp_path / "cache"))
    assert loaded.dataset.ids.tolist() == ["p1"]


def test_folder_table_and_npz_are_distinguished(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(12, 8, 8), dtype=np.uint8)
    labels = np.tile([0, 1], 6)
    lines = ["file,label"]
    for i, image in enumerate(pixels):
        file = f"{labels[i]}/{i:02d}.png"
        (tmp_path / file).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / file)
        lines.append(f"{file},{labels[i]}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    arrays: dict[str, Any] = {}
    for part, rows in {"train": slice(0, 8), "val": slice(8, 10), "test": slice(10, 12)}.items():
        arrays |= {f"{part}_images": pixels[rows], f"{part}_labels": labels[rows]}
    np.savez(tmp_path / "s.npz", **arrays)

    options = ReadOptions(cache="off")
    by_folder = read(str(tmp_path), options).dataset
    by_table = read(tmp_path / "t.csv", options).dataset
    by_both = read(tmp_path, ReadOptions(cache="off", table=tmp_path / "t.csv")).dataset
    by_npz = read(tmp_path / "s.npz", options).dataset
    assert by_folder.fingerprint == by_table.fingerprint == by_both.fingerprint
    assert by_npz.counts.tolist() == by_folder.counts.tolist() == [6, 6]
    np.testing.assert_array_equal(by_npz.images, pixels[:, None])


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("a.tar.gz", "unpack"), ("a.h5", "as .npz"), ("a.JPG", "all class folders")],
)
def test_a_file_that_no_reader_recognizes_has_a_way_out(
    name: str, way_out: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=way_out):
        read(tmp_path / name)
