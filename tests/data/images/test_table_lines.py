"""Lines of a table and the files that they name."""

from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.data.csv_table import read_table
from equipoise.data.images.listing import ListedImage
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.table_lines import Lines, once_each, relative_paths


def lines(root: Path, text: str) -> Lines:
    (root / "t.csv").write_text(text)
    return Lines(table=read_table(root / "t.csv"), path_column="file")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in ("films/a/1.png", "films/a/2.png", "films/b/2.png", "films/b/3.png", "out.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path / "films"


def test_paths_and_names_are_found_and_other_images_counted(root: Path) -> None:
    named = lines(root, "file,y\na/1.png,x\n3,y\nD:\\films\\b\\2.png,y\n")
    files, notes = relative_paths(named, root, "y", ReadOptions())
    assert files == ["a/1.png", "b/3.png", "b/2.png"]
    assert named.faults == []
    by_name, unlisted = notes
    assert by_name.startswith("2 of 3 images were found by their names")
    assert "“a/2.png”" in unlisted


def test_all_faults_of_paths_are_added(root: Path) -> None:
    text = "file,y\n,x\n2,x\n../out.png,x\nnone.png,x\na/1.png,x\na/1.png,y\n"
    faulty = lines(root, text)
    relative_paths(faulty, root, "y", ReadOptions())
    starts = ["no value", "names of several", "paths leave", "paths do not exist", "files twice"]
    assert len(faulty.faults) == len(starts)
    for fault, start in zip(faulty.faults, starts, strict=True):
        assert fault.startswith(start)
    for place in ("line 2 (no path)", "line 3 (2)", "line 4 (../out.png)", "line 5 (none.png)"):
        assert any(place in fault for fault in faulty.faults)
    assert "line 6 (a/1.png), line 7 (a/1.png)" in faulty.faults[-1]


def test_ignored_files_are_not_named_and_not_counted(root: Path) -> None:
    named = lines(root, "file,y\n2,x\n1,y\n")
    files, notes = relative_paths(named, root, "y", ReadOptions(ignore=("b",)))
    assert files == ["a/2.png", "a/1.png"]
    assert len(notes) == 1


def test_repeated_lines_count_once_unless_they_differ(root: Path) -> None:
    first, second = (ListedImage(file=f"{i}.png", label="x", patient="p") for i in range(2))
    two = lines(root, "file,y\n0.png,x\n1.png,x\n")
    assert once_each(two, [first, second]) == ([first, second], [])
    three = lines(root, "file,y\n0.png,x\n1.png,x\n0.png,x\n")
    images, (note,) = once_each(three, [first, second, first])
    assert images == [first, second]
    assert note.startswith("1 of 3 lines")
    assert three.faults == []
    once_each(three, [first, second, replace(first, patient="q")])
    (fault,) = three.faults
    assert "patients or splits: line 2 (0.png), line 4 (0.png)" in fault


def test_ids_whose_zeros_were_cut_are_recognized(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i:05}.png").touch()
    cut = lines(tmp_path, "file,label\n0,a\n1,b\n2,a")
    relative_paths(cut, tmp_path, "label", ReadOptions())
    (fault,) = cut.faults
    assert "0 names an image (00000): write ids as text" in fault
