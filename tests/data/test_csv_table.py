"""Tables: separators, columns by name or by option, and paths in cells."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from equipoise.data.csv_table import Table, read_table, resolve_cell, table_and_root
from equipoise.exceptions import DataError

FIX = "Set {role}."
USUAL_NAMES = {"path": ("path", "file"), "group": ("patient",)}


def table(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "t.csv"
    path.write_text(text)
    return read_table(path)


def options(**columns: str) -> SimpleNamespace:
    return SimpleNamespace(**{"path_column": None, "group_column": None, **columns})


def test_rows_have_line_numbers_and_stripped_cells(tmp_path: Path) -> None:
    read = table(tmp_path, "file;patient\n a.png ;p1\n\nb.png\n")
    assert read.columns == ("file", "patient")
    assert [row.line for row in read.rows] == [2, 4]
    assert read.cells("file") == ["a.png", "b.png"]
    assert read.cells("patient") == ["p1", ""]
    assert read.cells(None) == ["", ""]


def test_columns_are_found_by_usual_names_in_any_case_unless_requested(tmp_path: Path) -> None:
    read = table(tmp_path, "File,Patient,who\na.png,p1,p2\n")
    usual = read.find_columns(USUAL_NAMES, options(), required=("path",), fix=FIX)
    assert usual == {"path": "File", "group": "Patient"}
    requested = read.find_columns(
        USUAL_NAMES, options(group_column="who"), required=("path",), fix=FIX
    )
    assert requested == {"path": "File", "group": "who"}


def test_missing_columns_are_named_if_required(tmp_path: Path) -> None:
    read = table(tmp_path, "scan\na.png\n")
    with pytest.raises(DataError, match=r"path.*\(path, file\).* scan\..* path"):
        read.find_columns(USUAL_NAMES, options(), required=("path",), fix=FIX)
    with pytest.raises(DataError, match=r"t\.csv: .*'scam'.*'scan'"):
        read.find_columns(USUAL_NAMES, options(path_column="scam"), required=(), fix="")
    assert read.find_columns(USUAL_NAMES, options(), required=(), fix="") == {
        "path": None,
        "group": None,
    }


def test_paths_are_resolved_below_the_root_and_may_leave_it(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert resolve_cell("a\\b.png", tmp_path) == root / "a/b.png"
    assert resolve_cell("../b.png", tmp_path) == root.parent / "b.png"
    assert resolve_cell("/b.png", tmp_path) == Path("/b.png")


def test_the_root_is_the_path_or_the_folder_of_the_table() -> None:
    assert table_and_root(Path("films"), "t.csv") == (Path("t.csv"), Path("films"))
    assert table_and_root(Path("films/t.csv"), None) == (Path("films/t.csv"), Path("films"))
