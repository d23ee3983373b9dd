"""What lies beside images is refused with the options that answer it, or left out and counted."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from equipoise.data.images.image_folder import read_image_folder
from equipoise.data.images.options import ReadOptions
from equipoise.exceptions import DataError


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_all_faults_of_a_folder_are_reported_together(tmp_path: Path) -> None:
    root = touch(tmp_path / "in", "a/1.png", "a/1_mask.png", "a/2.webp", "a/1.gif")
    touch(tmp_path / "out", "3.png")
    (root / "a" / "clinic").symlink_to(tmp_path / "out")
    (root / "a" / "4.png").symlink_to("../.git/annex/objects/4.png")
    with pytest.raises(DataError) as refused:
        read_image_folder(root, ReadOptions())
    message = str(refused.value)
    assert len(message.splitlines()) == 5  # the last is about a/1.png, which is empty
    answers = ("--ignore 4.png", "--follow-links", "--ignore clinic", "'*_mask.*'", "'*.webp'")
    for answer in (*answers, "empty"):
        assert answer in message
    assert "1.gif" not in message  # it has an image of its name
    ignore = ("*_mask.*", "*.webp", "clinic")
    folder = read_image_folder(root, ReadOptions(ignore=ignore, on_error="skip"))
    assert folder.files == ("a/1.png",)
    assert [note.split("(")[1][0] for note in folder.notes] == ["2", "1", "1"]
    typo = replace(ReadOptions(ignore=(*ignore, "*_maks.*")), on_error="skip")
    assert "no file: --ignore '*_maks.*'" in read_image_folder(root, typo).notes[-2]
    followed = ReadOptions(ignore=("*_mask.*", "*.webp"), on_error="skip", follow_links=True)
    assert read_image_folder(root, followed).files == ("a/1.png", "a/clinic/3.png")


@pytest.mark.parametrize("name", ["IM0001", "1.2.840.1"])
def test_images_without_a_suffix_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    (tmp_path / "LICENSE").write_text("x" * 200)
    (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    with pytest.raises(DataError, match=rf"1 images .*{name}"):
        read_image_folder(tmp_path, ReadOptions())
    (tmp_path / name).unlink()
    Image.new("L", (8, 8)).save(tmp_path / name, format="PNG")
    (tmp_path / f"{name}7").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(DataError, match=rf"2 images .*--ignore '{name}\*'"):
        read_image_folder(tmp_path, ReadOptions())
    (tmp_path / f"{name}7").unlink()
    with pytest.raises(DataError, match=rf"1 images .*{name}"):
        read_image_folder(tmp_path, ReadOptions())
