"""An .npz in MedMNIST layout, on disk or by name."""

import hashlib
import io
import re
import urllib.error
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers.medmnist import read, recognizes
from equipoise.exceptions import DataError, SettingError

RNG = np.random.default_rng(0)
OPTIONS = ReadOptions(cache="off")


@pytest.fixture(autouse=True)
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tests independent of whether the medmnist package is installed."""
    monkeypatch.setitem(__import__("sys").modules, "medmnist", None)


def arrays(*, shape: tuple[int, ...] = (8, 8), **changed: Any) -> dict[str, Any]:
    good: dict[str, Any] = {}
    for part, n in (("train", 6), ("val", 2), ("test", 4)):
        good[f"{part}_images"] = RNG.integers(0, 256, size=(n, *shape), dtype=np.uint8)
        good[f"{part}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def npz(folder: Path, content: dict[str, Any], name: str = "toymnist.npz") -> Path:
    np.savez(folder / name, **content)
    return folder / name


@pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 3), 3)])
def test_parts_become_the_split(shape: tuple[int, ...], channels: int, tmp_path: Path) -> None:
    content = arrays(shape=shape)
    loaded = read(npz(tmp_path, content), OPTIONS)
    assert loaded.dataset.images.shape == (12, channels, 8, 8)
    assert loaded.dataset.class_names == ("0", "1")
    assert loaded.dataset.ids[[0, 6, 8]].tolist() == [
        "train/000000",
        "validation/000000",
        "test/000000",
    ]
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
    first = content["val_images"][1] if channels == 1 else content["val_images"][1, :, :, 0]
    np.testing.assert_array_equal(loaded.dataset.images[7, 0], first)
    assert loaded.dataset.groups.tolist() == list(range(12))


def test_images_are_resized_and_converted_on_request(tmp_path: Path) -> None:
    dataset = read(
        npz(tmp_path, arrays()), ReadOptions(cache="off", size=16, channels="rgb")
    ).dataset
    assert dataset.images.shape == (12, 3, 16, 16)


def test_constant_images_are_noted(tmp_path: Path) -> None:
    loaded = read(npz(tmp_path, arrays(val_images=np.zeros((2, 8, 8), dtype=np.uint8))), OPTIONS)
    assert re.search(r"\(2\): .*validation/000000.*validation/000001", loaded.notes[-1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (arrays(val_labels=None), r"test_labels in .*: val_labels missing"),
        (
            arrays(train_labels=np.array([{}] * 6, dtype=object)),
            "toymnist.npz.*allow_pickle",
        ),
        (
            arrays(train_labels=np.zeros((6, 14), np.uint8)),
            r"\(6, 14\).*chestmnist",
        ),
        (
            arrays(train_labels=np.zeros(5, np.uint8)),
            r"\(5,\) for \(6,\) in train",
        ),
        (arrays(train_labels=np.linspace(0, 1, 6)), "whole numbers .* got float64"),
        (arrays(train_labels=-np.ones(6, np.int64)), "labels 0, 1"),
        (arrays(train_labels=np.zeros(6, np.uint8)), "train split.* of 1"),
        (arrays(shape=(8, 8, 8)), r"got \(6, 8, 8, 8\).*volumes"),
        (arrays(val_images=np.zeros((2, 9, 9), np.uint8)), "images of one shape"),
        (arrays(train_images=np.zeros((6, 8, 8), complex)), "images of .*toymnist.npz as numbers"),
        (arrays(train_images=np.uint8(3), train_labels=np.uint8(0)), "images of one shape"),
    ],
)
def test_bad_arrays_are_named(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(npz(tmp_path, content), OPTIONS)
    assert "toymnist.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_bad_files_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "toy.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"Cannot read .*toy.npz"):
        read(tmp_path / "toy.npz", OPTIONS)


def test_a_small_file_of_many_classes_or_gigabytes_is_refused(tmp_path: Path) -> None:
    content = arrays()
    content["train_labels"] = content["train_labels"].astype(np.int64) + 10**9
    with pytest.raises(DataError, match=r"labels 0 to 999 .*100000000\d"):
        read(npz(tmp_path, content), ReadOptions(cache="off"))
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **arrays())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.getinfo("train_images.npy").file_size = 3 * 2**30  # as its directory will say
        archive.writestr("note", "")
    with pytest.raises(DataError, match=r"at most 1,024 MiB .*got 3,072 MiB"):
        read(path, ReadOptions(cache="off"))


def test_a_single_array_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "toy.npy", np.zeros((3, 8, 8)))
    (tmp_path / "toy.npy").rename(tmp_path / "toy.npz")
    with pytest.raises(DataError, match=r"Cannot read .*toy.npz"):
        read(tmp_path / "toy.npz", OPTIONS)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = npz(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"Cannot read .*toymnist.npz"):
        read(path, OPTIONS)


def test_an_absent_file_and_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        read(tmp_path / "absent.npz", OPTIONS)
    with pytest.raises(SettingError, match="--groups"):
        read(npz(tmp_path, arrays()), ReadOptions(groups="p"))
    with pytest.raises(SettingError, match="label_column"):
        read(npz(tmp_path, arrays()), ReadOptions(label_column="x"))


def test_pneumoniamnist_has_its_counts(shared: Path) -> None:
    loaded = read(shared / "data" / "pneumoniamnist" / "pneumoniamnist.npz", OPTIONS)
    assert loaded.dataset.images.shape == (3166, 1, 28, 28)
    assert loaded.dataset.counts.tolist() == [1583, 1583]
    assert loaded.source_split is not None
    assert [(loaded.source_split == part).sum() for part in ("train", "validation", "test")] == [
        2428,
        270,
        468,
    ]


class Web:
    """Stands in for the medmnist package and the address that it knows."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        url: str = "https://example.org/toy.npz?download=1",
    ) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays())
        self.content, self.calls = buffer.getvalue(), 0
        about = {
            "label": {"0": "normal", "1": "pneumonia"},
            "url": url,
            "MD5": self.md5,
            "url_64": url,
            "MD5_64": self.md5,
        }
        package = SimpleNamespace(INFO={"toymnist": about})
        monkeypatch.setitem(__import__("sys").modules, "medmnist", package)
        monkeypatch.setattr("urllib.request.urlopen", self.open)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content).hexdigest()

    def open(self, url: str, timeout: float) -> io.BytesIO:
        self.calls += 1
        return io.BytesIO(self.content)


def test_a_set_is_downloaded_once_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    web, options = Web(monkeypatch), ReadOptions(cache=tmp_path)
    for address in (
        "medmnist:toymnist",
        "medmnist:toymnist",
        "medmnist:toymnist@28",
        "medmnist:toymnist@64",
    ):
        assert recognizes(Path(address), options)
        assert read(Path(address), options).dataset.class_names == ("normal", "pneumonia")
    assert web.calls == 2
    assert sorted(path.name for path in (tmp_path / "medmnist").iterdir()) == [
        "toymnist.npz",
        "toymnist_64.npz",
    ]


def test_a_damaged_download_is_refused_and_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    web = Web(monkeypatch)
    web.content = web.content[:-1]
    with pytest.raises(DataError, match=r"MD5 .* https://example.org"):
        read(Path("medmnist:toymnist"), ReadOptions(cache=tmp_path))
    assert list((tmp_path / "medmnist").iterdir()) == []


def test_a_closed_network_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    web = Web(monkeypatch)

    def refuse(url: str, timeout: float) -> io.BytesIO:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(
        DataError,
        match=r"https://.*Network is unreachable.*run toymnist\.npz",
    ):
        read(Path("medmnist:toymnist"), ReadOptions(cache=tmp_path))
    assert web.calls == 0


def test_only_https_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Web(monkeypatch, url="file:///etc/passwd")
    with pytest.raises(DataError, match=r"https.*file:///etc/passwd"):
        read(Path("medmnist:toymnist"), ReadOptions(cache=tmp_path))


def test_names_and_sizes_that_do_not_exist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Web(monkeypatch)
    with pytest.raises(SettingError, match=r"'toymnits'.*'toymnist'"):
        read(Path("medmnist:toymnits"), OPTIONS)
    with pytest.raises(SettingError, match=r"toymnist .*28, 64, 128, 224.* got 65"):
        read(Path("medmnist:toymnist@65"), OPTIONS)
    with pytest.raises(SettingError, match="medmnist:bloodmnist@64"):
        read(Path("medmnist:"), OPTIONS)


def test_a_missing_package_is_reported() -> None:
    with pytest.raises(SettingError, match=r"pip install 'equipoise\[medmnist\]'"):
        read(Path("medmnist:pneumoniamnist"), OPTIONS)
