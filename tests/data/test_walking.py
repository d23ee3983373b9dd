"""One walk over files: whatever is not read is listed with its reason."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.data.walking import (
    BROKEN,
    HIDDEN,
    IGNORED,
    OUTSIDE,
    SEEN,
    SPECIAL,
    Walk,
    is_ignored,
    pointer_reason,
    walk,
)
from equipoise.exceptions import DataError

SYSTEM_FILES = (
    "@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/1.png", "lost+found/1.png",
    "#recycle/1.png", "__MACOSX/1.png", ".Trash-1000/1.png", "System Volume Information/1.png",
    "._1.png", "Thumbs.db", "desktop.ini", "thumbnails/1.png", "ill_thumbs/1.png",
    "2_thumbnail.jpg",
)  # fmt: skip


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def paths(tree: Walk) -> list[str]:
    left_out = [file for files in tree.left_out.values() for file in files]
    return sorted([*tree.files, *left_out])


def test_files_of_systems_and_thumbnails_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "ill/1.png", "thumb/left.png", "#1/1.png", *(f"ill/{f}" for f in SYSTEM_FILES))
    touch(tmp_path, ".git/objects/1.png")
    tree = walk(tmp_path)
    assert tree.files == ("#1/1.png", "ill/1.png", "thumb/left.png")
    assert tree.left_out == {HIDDEN: tuple(sorted(f"ill/{file}" for file in SYSTEM_FILES))}


def test_patterns_leave_files_and_folders_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/1_Mask.png", "a/masks/1.png", "b/old/2.png")
    tree = walk(tmp_path, ignore=("*_mask.*", "masks/", "b/old/*"))
    assert tree.files == ("a/1.png",)
    assert len(tree.left_out[IGNORED]) == 3


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    root = touch(tmp_path / "in", "a/1.png", "store/2.png")
    touch(tmp_path / "out", "3.png")
    (root / "a" / "2.png").symlink_to("../store/2.png")
    (root / "a" / "up").symlink_to("..")
    (root / "b").symlink_to("store")
    (root / "c").symlink_to("store")
    (root / "far").symlink_to(tmp_path / "out")
    (root / "far.png").symlink_to(tmp_path / "out" / "3.png")
    (root / "a" / "lost.png").symlink_to("../.git/annex/objects/x.png")
    (root / "gone").symlink_to("/nowhere/clinic")
    tree = walk(root)
    assert tree.files == ("a/1.png", "a/2.png", "b/2.png", "store/2.png")
    assert tree.left_out == {
        SEEN: ("a/up/", "c/"),
        OUTSIDE: ("far.png", "far/"),
        BROKEN: ("a/lost.png", "gone"),
    }
    assert ["(2)" in problem for problem in tree.problems()] == [True, True]
    followed = walk(root, follow_links=True)
    assert set(followed.files) - set(tree.files) == {"far/3.png", "far.png"}
    ignored = walk(root, ignore=("far*", "lost*", "gone"))
    assert not ignored.problems()


def test_a_root_may_itself_be_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "real", "a/1.png")
    (tmp_path / "link").symlink_to("real")
    assert walk(tmp_path / "link").files == ("a/1.png",)


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    assert walk(tmp_path).left_out == {SPECIAL: ("1.png",)}


def test_names_must_be_utf8(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"h\xe4matom/1.png"))
    with pytest.raises(DataError, match=r"1 files .* UTF-8: .*Rename"):
        walk(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match=r"folder .*/a: Permission denied"):
        walk(tmp_path)
    (tmp_path / "a").chmod(0o700)


@given(st.lists(st.sampled_from(["a", "b", "@eaDir", ".x", "masks", "1.png"]), max_size=4))
def test_no_file_vanishes(parts: list[str]) -> None:
    file = "/".join([*parts, "image.png"])
    with tempfile.TemporaryDirectory() as folder:
        touch(Path(folder), file)
        assert paths(walk(Path(folder), ignore=("masks",))) == [file]
    assert is_ignored(file, ["MASKS"]) == ("masks" in parts)


@pytest.mark.parametrize(
    ("content", "command"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--1.png\n", "git annex get"),
        (b"\x89PNG\r\n", ""),
        (b"", ""),
    ],
)
def test_pointers_are_recognized(content: bytes, command: str, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(content)
    reason = pointer_reason(tmp_path / "1.png")
    assert command in reason
    assert bool(reason) == bool(command)
