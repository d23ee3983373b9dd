"""Damage of stored files is noticed, and its message says what to delete."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import (
    atomic_folder,
    read_arrays,
    read_json,
    reading,
    remove_file,
    write_json,
)
from equipoise.checksums import check_file, check_folder, check_present
from equipoise.exceptions import DamagedFileError


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


Damage = Callable[[Path], object]
DAMAGES: dict[str, Damage] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "changed": lambda path: path.write_bytes(path.read_bytes().replace(b"1", b"2")),
    "deleted": lambda path: path.unlink(),
    "a folder": become_folder,
}


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """A folder that was written at once, with a folder that was written inside it."""
    folder = tmp_path / "cells" / "cell"
    with atomic_folder(folder) as temporary:
        write_json(temporary / "record.json", 1)
        with atomic_folder(temporary / "classifier") as inner:
            write_json(inner / "model.json", 1)
    return folder


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["record.json", "classifier/model.json"])
def test_damage_inside_a_folder_names_the_file_and_the_folder(
    cell: Path, name: str, damage: Damage
) -> None:
    check_folder(cell)
    assert read_json(cell / name) == 1
    damage(cell / name)
    for check in (check_file, read_json):
        with pytest.raises(DamagedFileError, match=rf"{name} .*Delete the folder {cell} and"):
            check(cell / name)
    with pytest.raises(DamagedFileError, match=name):
        check_folder(cell)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_of_a_single_file_names_it_and_its_checksum(tmp_path: Path, damage: Damage) -> None:
    path = tmp_path / "study.json"
    write_json(path, 1, checksum=True)
    assert read_json(path) == 1
    damage(path)
    with pytest.raises(DamagedFileError, match=rf"Delete {path} and study\.json\.sha256 and run"):
        read_json(path)


def test_missing_files_are_noticed_without_reading_the_others(cell: Path) -> None:
    (cell / "record.json").write_text("2")
    check_present(cell)
    check_file(cell / "synthetic.npz")  # a cell need not have it
    (cell / "classifier" / "model.json").unlink()
    with pytest.raises(DamagedFileError, match=r"model\.json"):
        check_present(cell)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"record.json": "00"}', "[" * 100_000])
def test_damaged_checksums_are_damage_too(cell: Path, text: str) -> None:
    (cell / "checksums.json").write_text(text)
    with pytest.raises(DamagedFileError):
        read_json(cell / "record.json")


def test_a_file_that_was_added_is_damage(cell: Path) -> None:
    write_json(cell / "synthetic.json", 1)
    with pytest.raises(DamagedFileError, match=r"synthetic\.json"):
        read_json(cell / "synthetic.json")


def test_what_was_written_before_checksums_is_read(cell: Path, tmp_path: Path) -> None:
    (cell / "checksums.json").unlink()
    (cell / "record.json").write_text("2")
    assert read_json(cell / "record.json") == 2
    check_folder(cell)
    write_json(tmp_path / "study.json", 1, checksum=True)
    (tmp_path / "study.json.sha256").unlink()
    (tmp_path / "study.json").write_text("2")
    assert read_json(tmp_path / "study.json") == 2
    write_json(tmp_path / "study.json", 1, checksum=True)
    write_json(tmp_path / "study.json", 2)  # without one: the old one is not kept
    assert read_json(tmp_path / "study.json") == 2
    remove_file(tmp_path / "study.json")
    assert not list(tmp_path.glob("study*"))


@pytest.mark.parametrize(
    "content", ["", "{", '{"a": ', "[" * 100_000, "\x00", "9" * 5000, '"\\ud800'], ids=str
)
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(DamagedFileError, match=r"old\.json"):
        read_json(path)


@pytest.mark.parametrize("place", [0, 30, 60, -30, -10])
def test_arrays_that_cannot_be_read_are_named(tmp_path: Path, place: int) -> None:
    path = tmp_path / "old.npz"
    np.savez(path, a=np.arange(3))
    content = path.read_bytes()
    path.write_bytes(content[:place])
    with pytest.raises(DamagedFileError, match=r"old\.npz"):
        read_arrays(path)
    path.write_bytes(content)
    assert read_arrays(path)["a"].tolist() == [0, 1, 2]


def test_absent_files_and_closed_ones_are_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")
    with pytest.raises(PermissionError), reading(tmp_path / "none.json"):
        raise PermissionError
    with pytest.raises(DamagedFileError, match="the key 'b' is missing"), reading(tmp_path / "x"):
        json.loads('{"a": 1}')["b"]
