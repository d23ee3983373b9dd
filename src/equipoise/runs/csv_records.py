"""Tables of a run as CSV: written the same for the same numbers, and read back as the records they were."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from equipoise.atomic import atomic_file

Row = TypeVar("Row")


def write_rows(path: Path, record: type, rows: Iterable[Any]) -> None:
    """Write dataclass instances, a column for each field."""
    write_csv(path, column_names(record), [astuple(row) for row in rows])


def write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Write lines; numbers have six decimals, and a field is empty where its number is not defined."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_text(value) for value in line] for line in lines)


def read_rows(path: Path, record: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote; a record's fields are text, whole numbers or numbers (NaN where empty)."""
    kinds: dict[str, Any] = {field.name: field.type for field in fields(record)}  # type: ignore[arg-type]
    with path.open(newline="", encoding="utf-8") as file:
        return [
            record(**{name: _value(line[name], kinds[name]) for name in kinds})
            for line in csv.DictReader(file)
        ]


def column_names(record: type) -> tuple[str, ...]:
    """List the fields of a dataclass."""
    return tuple(field.name for field in fields(record))


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.6f}" if math.isfinite(value) else ""


def _value(text: str, kind: Any) -> Any:
    if kind is float:
        return float(text or "nan")
    return int(text) if kind is int else text
