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
    read = table(tmp_path, "file;patient\n a.png ;p1\n\nb.png;\n")
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
    assert resolve_cell("a\\b.png", root) == root / "a/b.png"
    assert resolve_cell("../b.png", root) == root.parent / "b.png"
    assert resolve_cell("/b.png", root) == Path("/b.png")


def test_the_root_is_the_path_or_the_folder_of_the_table() -> None:
    assert table_and_root(Path("films"), "t.csv") == (Path("t.csv"), Path("films"))
    assert table_and_root(Path("films/t.csv"), None) == (Path("films/t.csv"), Path("films"))


def test_lines_of_another_length_are_faults_with_their_numbers(tmp_path: Path) -> None:
    read = table(tmp_path, 'file,label\na.png,ill\n,,\nb.png,ill, viral\nc.png\nd.png,"x, y",,\n')
    assert read.cells("label") == ["ill", "x, y"]
    with pytest.raises(DataError, match=r"t\.csv: .*2 fields.*line 4 has 3 .*line 5 has 1"):
        read.refuse([])
    with pytest.raises(DataError, match=r"2 faults:\n- .*\n- another"):
        read.refuse(["another"])


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same name: file"):
        table(tmp_path, "file,file\na.png,b.png\n").refuse([])
    read = table(tmp_path, "File,file \na.png,b.png\n")
    with pytest.raises(DataError, match=r"File, file may all be the path\. Set path"):
        read.find_columns(USUAL_NAMES, options(), required=("path",), fix=FIX)
    requested = read.find_columns(USUAL_NAMES, options(path_column="file"), required=(), fix=FIX)
    assert requested["path"] == "file"


def test_none_is_no_column(tmp_path: Path) -> None:
    read = table(tmp_path, "file,patient\na.png,p1\n")
    columns = read.find_columns(USUAL_NAMES, options(group_column="none"), required=(), fix="")
    assert columns == {"path": "file", "group": None}


@pytest.mark.parametrize("start", ["", "sep=;\n"])
def test_other_separators_and_line_ends_are_understood(start: str, tmp_path: Path) -> None:
    assert table(tmp_path, f"{start}file;label\n").columns == ("file", "label")
    path = tmp_path / "t.csv"
    path.write_bytes(b"file|label\ra.png|ill\r")
    assert read_table(path).cells("label") == ["ill"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\na.png,tumör\n".encode("latin-1"), r"line 2, after 'a\.png,tum'"),
        (b"PK\x03\x04 a workbook", "workbook"),
        (b"file,label\na.png,\0\n", "line 2 has a null character"),
        ("file,label\n".encode("utf-16-le"), "null character"),
        (b'file,label\na.png,ill\nb.png,"ill\nc.png,ill\n', "from line 3 on"),
        (b"\xff\xfef", "UTF-8"),
        (b" \n\n", "empty"),
    ],
)
def test_files_that_are_no_tables_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_a_title_above_the_header_is_recognized(tmp_path: Path) -> None:
    (fault,) = table(tmp_path, "# exported 2021\n# by R\nfile,label\n1.png,a\n2.png,a\n").faults
    assert "(# exported 2021) seems to be a title: remove it" in fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"file" "label"\n"1" "a.png" "ill"\n', r"separated by spaces.*write\.csv"),
        ('[{"file": "a.png", "label": "ill"}]', "got JSON"),
    ],
)
def test_what_other_programs_write_is_refused_with_what_to_do(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_table(path)
    path.write_text("#,file\n1,a.png\n", encoding="utf-8")
    assert read_table(path).columns == ("#", "file")
