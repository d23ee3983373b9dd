"""A place that cannot be written, or would be read, is refused before anything is read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.cli.places import check_out
from equipoise.exceptions import SettingError

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("ill", "healthy"):
        (tmp_path / "images" / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    return tmp_path / "images"


@pytest.mark.parametrize("out", ["images", "images/run", "images/ill/../run/deep"])
def test_what_is_read_is_no_place_to_write(images: Path, tmp_path: Path, out: str) -> None:
    with pytest.raises(SettingError, match="--out"):
        check_out(tmp_path / out, None, images)
    (tmp_path / "link").symlink_to(images)
    with pytest.raises(SettingError, match="read next time"):
        check_out(tmp_path / "link/run", images)
    check_out(tmp_path / "images-run", images, "no folder.npz", tmp_path / "file")


@pytest.mark.parametrize("out", ["file", "file/run", "broken", "broken/run"])
def test_a_file_in_the_way_is_named(images: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingError, match=f"{out.split('/', maxsplit=1)[0]} is no folder.*--out"):
        check_out(tmp_path / out)


def test_permissions_are_those_of_the_nearest_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda place, _mode: Path(place) != images)
    with pytest.raises(SettingError, match=f"into {images}.*permissions.*--out"):
        check_out(images / "a/b")
    check_out(tmp_path / "a/b")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("run", "IMAGES", "--out", "IMAGES/run"),
        ("run", "IMAGES", "--out", "FILE"),
        ("run", "IMAGES", "--task", "segmentation", "--out", "IMAGES"),
        ("demo", "--out", "FILE"),
        ("audit", "IMAGES", "--real", "IMAGES", "--out", "IMAGES/audit"),
        ("audit", "IMAGES", "--real", "IMAGES", "--out", "FILE/audit"),
        ("generate", "RUN", "--class", "all", "--real", "IMAGES", "--out", "IMAGES/synthetic"),
        ("generate", "RUN", "--class", "all", "--out", "FILE/synthetic"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_before_it_reads(
    call: Call, images: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    places = {"IMAGES": str(images), "FILE": str(tmp_path / "file"), "RUN": str(tmp_path / "run")}
    typed = []
    for word in command:
        for name, place in places.items():
            word = word.replace(name, place)  # noqa: PLW2901
        typed.append(word)
    code, _, error = call(*typed)
    assert code == 2
    assert "--out" in error
    assert sorted(path.name for path in images.rglob("*")) == ["healthy", "ill"]
