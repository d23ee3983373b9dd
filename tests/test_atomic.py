"""Files and folders appear whole or not at all."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from equipoise.atomic import atomic_file, atomic_folder, make_folder, read_json, write_json
from equipoise.exceptions import SettingError


class Interrupted(BaseException):
    """Stands for Ctrl-C in the middle of a write."""


def interrupt(writing: AbstractContextManager[Path], name: str) -> None:
    with writing as temporary:
        (temporary / name).write_text("new")
        raise Interrupted


def test_a_file_is_invisible_until_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # one file system, so that the last step is a rename
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_an_interrupted_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(Interrupted):
        interrupt(atomic_file(path), "")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_is_invisible_until_complete_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "cell"
    for content in ("first", "second"):
        with atomic_folder(path) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / content).write_text(content)
            assert not (path / "deep" / content).exists()
        assert [p.name for p in (path / "deep").iterdir()] == [content]
    assert [p.name for p in tmp_path.iterdir()] == ["cell"]


def test_an_interrupted_folder_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "cell"
    path.mkdir()
    (path / "record").write_text("old")
    with pytest.raises(Interrupted):
        interrupt(atomic_folder(path), "record")
    assert (path / "record").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["cell"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_what_is_written_is_the_users_alone_unless_it_is_shared(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for name, shared in (("private", False), ("shared", True)):
            root = tmp_path / name
            with atomic_file(root / "new" / "file", shared=shared) as temporary:
                temporary.unlink()  # as writers do that replace the file
                temporary.write_text("x")
            with atomic_folder(root / "folder", shared=shared) as temporary:
                (temporary / "deep").mkdir()
                (temporary / "deep" / "file").write_text("x")
                write_json(temporary / "record.json", {})
    finally:
        os.umask(before)
    for path in (tmp_path / "private", *(tmp_path / "private").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    for path in (tmp_path / "shared", *(tmp_path / "shared").rglob("*")):
        usual = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == usual & ~umask, path


def test_json_is_sorted_readable_and_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"b": [1, 2.5], "a": "é", "c": (1,)})
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n  "a": ')
    assert text.endswith("}\n")
    assert read_json(path) == {"a": "é", "b": [1, 2.5], "c": [1]}
    write_json(path, {"c": (1,), "a": "é", "b": [1, 2.5]})
    assert path.read_text(encoding="utf-8") == text


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, object())
    assert read_json(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_inside_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(SettingError, match="file"):
            make_folder(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(SettingError, match="permissions"):
        make_folder(locked)


def test_two_processes_may_write_the_same_folder(tmp_path: Path) -> None:
    path = tmp_path / "fit"
    with atomic_folder(path) as slower:
        (slower / "weights").write_text("same")
        with atomic_folder(path) as faster:
            (faster / "weights").write_text("same")
    assert (path / "weights").read_text() == "same"
    assert [p.name for p in tmp_path.iterdir()] == ["fit"]


def test_a_folder_that_is_filled_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit"
    replace, calls = Path.replace, []

    def slow(source: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 1:  # another process is faster by a moment
            path.mkdir()
            (path / "weights").write_text("other")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", slow)
    with atomic_folder(path) as temporary:
        (temporary / "weights").write_text("ours")
    assert (path / "weights").read_text() == "ours"
    assert [p.name for p in tmp_path.iterdir()] == ["fit"]


def test_names_are_on_the_disk_before_they_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    with atomic_folder(tmp_path / "cell") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "file").write_text("x")
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert path.stat().st_ino in flushed, path
    flushed.clear()
    write_json(tmp_path / "x.json", 1)
    assert flushed == [(tmp_path / "x.json").stat().st_ino, tmp_path.stat().st_ino]


def test_what_others_receive_has_no_checksums(tmp_path: Path) -> None:
    for shared in (False, True):
        with atomic_folder(tmp_path / "out", shared=shared) as temporary:
            (temporary / "file").write_text("x")
        assert (tmp_path / "out" / "checksums.json").is_file() is not shared
