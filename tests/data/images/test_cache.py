"""A second run loads decoded images, and never a damaged or stale entry."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.data.cache import cache_folder, size_of
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.decoding import decode_with_header
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.images.readers.folder import read
from equipoise.exceptions import SettingError
from equipoise.experiments.running.train_cell import pack_images
from equipoise.runs.store import RunStore

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
        return decode_with_header(path)

    monkeypatch.setattr("equipoise.data.images.loading.decode_with_header", spy)
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


def test_workers_map_the_file_of_the_cache(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.image_rows._limit", 0)
    loaded = read(films, options(films))
    (entry,) = (films.parent / "cache").rglob("images.npy")
    store = RunStore(films.parent / "run")
    packed = pack_images(loaded.dataset, store)
    assert (packed / "images.npy").samefile(entry)
    assert pack_images(loaded.dataset, store) == packed
    assert same(loaded, read(films, options(films)))
    assert ImageDataset.load(packed).fingerprint == loaded.dataset.fingerprint


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
    """Of the same size and time, too: what counts is the content."""
    file = films / "train/a/1.png"
    before = read(films, options(films)).dataset.pixels.copy()
    stat = file.stat()
    content = file.read_bytes()
    image = Image.open(file)
    image.putpixel((0, 0), 255 - int(image.getpixel((0, 0))))  # type: ignore[arg-type]
    image.save(file, compress_level=0)
    changed = read(films, options(films)).dataset.pixels.copy()
    assert not np.array_equal(before, changed)
    bmp = films / "train/a/3.bmp"
    for value in (10, 20):  # bytes that differ in one pixel
        Image.fromarray(np.full((12, 8), value, np.uint8)).save(bmp)
        os.utime(bmp, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        images = read(films, options(films)).dataset.pixels
        assert images.shape[0] == 6
        assert (images == value).any()
    file.write_bytes(content)
    bmp.unlink()
    n_decoded = len(decoded)
    os.utime(file, ns=(1, 1))
    assert np.array_equal(read(films, options(films)).dataset.images, before)
    assert len(decoded) == n_decoded  # the first entry again


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


def test_the_least_recently_used_entries_are_removed(
    films: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = films.parent / "cache" / "images"
    for age, size in enumerate((12, 13, 14)):
        before = set(entries.glob("*"))
        read(films, options(films, size=size))
        (new,) = set(entries.glob("*")) - before
        os.utime(new, ns=(age + 1, age + 1))
    of_one = size_of(new)
    read(films, options(films, size=12))  # the oldest is used again
    monkeypatch.setenv("EQUIPOISE_CACHE_GB", str(2.5 * of_one / 1e9))
    read(films, options(films, size=15))
    assert len(list(entries.iterdir())) == 2
    n_decoded = len(decoded)
    read(films, options(films, size=12))
    read(films, options(films, size=15))
    assert len(decoded) == n_decoded
    monkeypatch.setenv("EQUIPOISE_CACHE_GB", "0")
    read(films, options(films, size=16))
    assert len(list(entries.iterdir())) == 2  # what is too large is not stored, nothing is removed
    monkeypatch.setenv("EQUIPOISE_CACHE_GB", "much")
    with pytest.raises(SettingError, match="EQUIPOISE_CACHE_GB"):
        read(films, options(films))


def test_the_cache_is_the_users_alone(films: Path) -> None:
    before = os.umask(0)
    try:
        read(films, options(films))
    finally:
        os.umask(before)
    cache = films.parent / "cache"
    for path in (cache, *cache.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
