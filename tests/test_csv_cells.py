"""No cell of ours is a formula, and every text is read as it was written."""

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from equipoise.csv_cells import protected, read_lines, unprotected, write_lines
from equipoise.data.csv_table import read_table

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
FORMULAS = ("=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", " =1", "\uff1d1", "'=1", "\n+1", "''-")
ANY = st.characters(codec="utf-8", exclude_characters="\0")


@given(st.text(ANY) | st.text(f"'{SIGNS} \t\r\na"))
def test_text_is_read_as_it_was_written_and_is_no_formula(name: str) -> None:
    cell = protected(name)
    assert unprotected(cell) == name
    assert cell.strip()[:1] not in set(SIGNS)
    assert cell[:1] not in set(SIGNS) | {"\t", "\r", "\n"}


def test_a_table_has_protected_text_and_plain_numbers() -> None:
    file = io.StringIO(newline="")
    write_lines(file, [("=a", "n"), *((name, -1.5) for name in FORMULAS)])
    lines = file.getvalue()
    assert lines.startswith("'=a,n\n'=1+1,-1.5\n")
    rows = list(read_lines(io.StringIO(lines, newline="")))
    assert [row["=a"] for row in rows] == list(FORMULAS)
    assert {row["n"] for row in rows} == {"-1.5"}


def test_a_table_of_ours_can_be_read_with_the_table_reader(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        write_lines(file, [("file", "label"), ("=1/a.png", "-x"), ("b.png", "'tis")])
    assert read_table(tmp_path / "a.csv").cells("file") == ["=1/a.png", "b.png"]
    assert read_table(tmp_path / "a.csv").cells("label") == ["-x", "'tis"]
