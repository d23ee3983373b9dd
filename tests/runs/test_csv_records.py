"""Rows are read back exactly as written."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from equipoise.runs.csv_records import column_names, read_rows, write_rows


@dataclass(frozen=True)
class Row:
    name: str
    n: int
    value: float
    word: Literal["better", "worse"]


def test_there_and_back(tmp_path: Path) -> None:
    rows = [Row('a, "quoted"', 3, 0.25, "better"), Row("b\u00e4", -1, 1 / 3, "worse")]
    write_rows(tmp_path / "rows.csv", Row, rows)
    assert column_names(Row) == ("name", "n", "value", "word")
    read = read_rows(tmp_path / "rows.csv", Row)
    assert read[0] == rows[0]
    assert read[1] == Row("b\u00e4", -1, 0.333333, "worse")


def test_what_is_not_defined_is_an_empty_field(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", Row, [Row("a", 0, math.nan, "better")])
    assert (tmp_path / "rows.csv").read_text() == "name,n,value,word\na,0,,better\n"
    assert math.isnan(read_rows(tmp_path / "rows.csv", Row)[0].value)


def test_no_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", Row, [])
    assert read_rows(tmp_path / "rows.csv", Row) == []


@dataclass(frozen=True)
class PRow:
    p: float
    p_holm: float
    difference: float


def test_small_p_values_are_not_zero(tmp_path: Path) -> None:
    rows = [PRow(1.2345678e-9, 0.0, 1e-9), PRow(0.25, math.nan, 0.5)]
    write_rows(tmp_path / "rows.csv", PRow, rows)
    assert (tmp_path / "rows.csv").read_text().splitlines()[1:] == [
        "1.23457e-09,1e-300,0.000000",
        "0.25,,0.500000",
    ]
