"""The contract of every reader: add a builder of a small source and the checks run on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from equipoise.data.images import readers
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers import folder, medmnist, table
from equipoise.discovery import modules
from equipoise.testing.readers import CHECKS, Source

COUNTS = {"0": 6, "1": 4}
DTYPES = tuple(np.dtype(t) for t in (np.uint8, np.uint16, np.float32))
OPTIONS = ReadOptions(cache="off")
PARTS = ("train", "val", "test", "train", "train") * 2


def pixels(dtype: np.dtype[Any]) -> NDArray[Any]:
    values = np.random.default_rng(0).uniform(0, 255, size=(10, 16, 16))
    return values.astype(dtype)


def write_images(root: Path, dtype: np.dtype[Any]) -> list[str]:
    """Write 6 and 4 images in two class folders."""
    suffix = ".tiff" if dtype == np.float32 else ".png"
    files = [f"{name}/{i}{suffix}" for name, count in COUNTS.items() for i in range(count)]
    for file, image in zip(files, pixels(dtype), strict=True):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / file)
    return files


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:150])
    return path.name


def class_folders(root: Path, dtype: np.dtype[Any]) -> Source:
    files = write_images(root, dtype)
    return Source(
        reader=folder,
        path=root,
        options=OPTIONS,
        counts=COUNTS,
        dtype=dtype,
        spoil=lambda: cut(root / files[3]),
    )


def csv_table(root: Path, dtype: np.dtype[Any]) -> Source:
    files = write_images(root, dtype)
    lines = [f"{file},{file[0]},p{i // 2},{PARTS[i]}\n" for i, file in enumerate(files)]
    (root / "t.csv").write_text("file,label,patient,split\n" + "".join(lines))
    return Source(
        reader=table,
        path=root / "t.csv",
        options=OPTIONS,
        counts=COUNTS,
        dtype=dtype,
        spoil=lambda: cut(root / files[3]),
    )


def npz(root: Path, dtype: np.dtype[Any]) -> Source:
    labels = np.repeat([0, 1], list(COUNTS.values()))
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        rows = np.array(PARTS) == part
        arrays |= {f"{part}_images": pixels(dtype)[rows], f"{part}_labels": labels[rows]}
    np.savez(root / "toymnist.npz", **arrays)
    return Source(
        reader=medmnist,
        path=root / "toymnist.npz",
        options=OPTIONS,
        counts=COUNTS,
        dtype=dtype,
        spoil=lambda: cut(root / "toymnist.npz"),
    )


BUILDERS = {"folder": class_folders, "table": csv_table, "medmnist": npz}


def test_every_reader_has_a_source() -> None:
    assert set(BUILDERS) == set(modules(readers))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", BUILDERS)
def test_reader(
    name: str, check: Callable[[Source], None], dtype: np.dtype[Any], tmp_path: Path
) -> None:
    check(BUILDERS[name](tmp_path, dtype))


@pytest.mark.parametrize("name", BUILDERS)
def test_only_one_reader_recognizes_a_source(name: str, tmp_path: Path) -> None:
    source = BUILDERS[name](tmp_path, DTYPES[0])
    taken = [
        n
        for n, reader in modules(readers).items()
        if reader.recognizes(source.path, source.options)
    ]
    assert taken == [name]
