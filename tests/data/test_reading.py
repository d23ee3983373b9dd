"""The reader is chosen by what lies at the path."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"Expected images at .*nowhere, found nothing.*folder: a folder with"
    ):
        read(tmp_path / "nowhere")


def test_an_unknown_kind_is_said_with_the_readers(tmp_path: Path) -> None:
    (tmp_path / "films.zip").write_bytes(b"PK")
    with pytest.raises(
        DataError, match=r"No reader recognizes .*films.zip.*folder: .*medmnist: .*table: "
    ):
        read(tmp_path / "films.zip")


def test_folder_table_and_npz_are_told_apart(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(12, 8, 8), dtype=np.uint8)
    labels = np.tile([0, 1], 6)
    for i, image in enumerate(pixels):
        (tmp_path / str(labels[i])).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / str(labels[i]) / f"{i:02d}.png")
    lines = [f"{label}/{i:02d}.png,{label}\n" for i, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(lines))
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
