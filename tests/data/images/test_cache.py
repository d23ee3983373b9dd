"""A second run loads decoded images, and never a damaged or stale entry."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.cache import cache_folder
from equipoise.data.images.decoding import decode
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.images.readers.folder import read

RNG = np.random.default_rng(0)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    root = tmp_path / "films"
    for file in (
        "train/a/1.png",
        "train/a/2.png",
        "train/b/1.png",
        "train/b/2.png",
        "test/a/1.png",
    ):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, size=(12, 8), dtype=np.uint8)).save(root / file)
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is decoded from now on."""
    files: list[Path] = []

    def spy(path: Path) -> Any:
        files.append(path)
        return decode(path)

    monkeypatch.setattr("equipoise.data.images.loading.decode", spy)
    return files


def options(films: Path, **settings: Any) -> ReadOptions:
    return ReadOptions(**{"size": 8, "cache": films.parent / "cache", **settings})


def same(a: Loaded, b: Loaded) -> bool:
    return (
        a.dataset.fingerprint == b.dataset.fingerprint
        and (a.skipped, a.notes) == (b.skipped, b.notes)
        and np.array_equal(np.asarray(a.source_split), np.asarray(b.source_split))
    )


def test_a_second_read_decodes_nothing_and_returns_the_same(
    films: Path, decoded: list[Path]
) -> None:
    first = read(films, options(films))
    assert len(decoded) == 5
    second = read(films, options(films))
    assert len(decoded) == 5
    assert same(first, second)


def test_skipped_files_are_remembered(films: Path) -> None:
    (films / "train/a/3.png").write_text("no image")
    first, second = (read(films, options(films, on_error="skip")) for _ in range(2))
    assert second.skipped[0].startswith("train/a/3.png: ")
    assert same(first, second)


@pytest.mark.parametrize(
    "changed",
    [{"size": 9}, {"fit": "crop"}, {"filter": "nearest"}, {"channels": "rgb"}, {"groups": r"\d"}],
)
def test_other_options_decode_again(
    changed: dict[str, Any], films: Path, decoded: list[Path]
) -> None:
    read(films, options(films))
    read(films, options(films, **changed))
    assert len(decoded) == 10


def test_a_changed_file_is_decoded_again(films: Path, decoded: list[Path]) -> None:
    read(films, options(films))
    os.utime(films / "train/a/1.png", ns=(1, 1))
    read(films, options(films))
    assert len(decoded) == 10


def test_the_number_of_threads_does_not_matter(films: Path, decoded: list[Path]) -> None:
    read(films, options(films, workers=1))
    read(films, options(films, workers=2))
    assert len(decoded) == 5


@pytest.mark.parametrize(
    "file", ["loaded.json", "dataset/images.npy", "dataset/columns.npz", "dataset/dataset.json"]
)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "absent"])
def test_a_damaged_entry_is_computed_again(
    file: str, damage: str, films: Path, decoded: list[Path]
) -> None:
    first = read(films, options(films))
    (entry,) = (films.parent / "cache" / "images").iterdir()
    content = (entry / file).read_bytes()
    if damage == "absent":
        (entry / file).unlink()
    else:
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        (entry / file).write_bytes(
            {"flipped": flipped, "truncated": content[:-9], "empty": b""}[damage]
        )
    assert same(first, read(films, options(films)))
    assert len(decoded) in (5, 10)
    before = len(decoded)
    assert same(first, read(films, options(films)))
    assert len(decoded) == before


def test_the_cache_can_be_off(films: Path, decoded: list[Path]) -> None:
    for off in ("off", None, "off"):
        read(films, options(films, cache=off))
    assert len(decoded) == 15


def test_a_cache_that_cannot_be_written_is_noted(films: Path) -> None:
    (films.parent / "cache").write_text("a file stands in the way")
    loaded = read(films, options(films))
    assert len(loaded.dataset) == 5
    assert "cached" in loaded.notes[-1]


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    assert cache_folder("auto") == tmp_path
    monkeypatch.setenv("EQUIPOISE_CACHE", "off")
    assert cache_folder("auto") is None
    monkeypatch.delenv("EQUIPOISE_CACHE")
    default = cache_folder("auto")
    assert default is not None
    assert "equipoise" in default.parts
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"
