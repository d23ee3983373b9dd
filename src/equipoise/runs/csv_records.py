"""Tables of a run as CSV: the same bytes for the same numbers, and read back as records."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from equipoise.atomic import atomic_file, reading
from equipoise.csv_cells import protected, read_lines, write_cells

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P_VALUES = frozenset(("p", "p_holm", "p_low", "p_high"))  # columns
SMALLEST_P = 1e-300  # stands for one that is below the range of floats

Field = str | int | float
Row = TypeVar("Row", bound="DataclassInstance")


def write_rows(
    path: Path,
    record: type["DataclassInstance"],
    rows: Iterable["DataclassInstance"],
    *,
    checksum: bool = False,
) -> None:
    """Write dataclass instances, a column for each field.

    Args:
        path: The file.
        record: Their class.
        rows: The instances.
        checksum: Whether a checksum is written beside the file, which a later command reads.

    Example:
        >>> from dataclasses import dataclass
        >>> from tempfile import TemporaryDirectory
        >>> @dataclass(frozen=True)
        ... class Score:
        ...     method: str
        ...     auroc: float
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "scores.csv"
        ...     write_rows(path, Score, [Score("none", 0.75), Score("smote", math.nan)])
        ...     text = path.read_text()
        ...     rows = read_rows(path, Score)
        >>> text.splitlines()
        ['method,auroc', 'none,0.750000', 'smote,']
        >>> rows[1]
        Score(method='smote', auroc=nan)
    """
    write_csv(path, column_names(record), map(astuple, rows), checksum=checksum)


def write_csv(
    path: Path,
    header: Sequence[str],
    lines: Iterable[Sequence[object]],
    *,
    checksum: bool = False,
) -> None:
    """Write lines; numbers have six decimals, and the field of an undefined number is empty.

    P values, by the name of their column, have six significant digits: a small one is not 0.
    """
    with (
        atomic_file(path, checksum=checksum) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        write_cells(file, [list(map(protected, header))])
        write_cells(file, (list(map(_text, header, line)) for line in lines))


def read_rows(path: Path, record: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote.

    The fields of the record are text, whole numbers, or numbers (NaN where empty).

    Raises:
        DamagedFileError: The file is damaged.
    """
    rows = []
    with reading(path), path.open(newline="", encoding="utf-8") as file:
        for line in read_lines(file):
            values: dict[str, Field] = {}
            for field in fields(record):
                text = line[field.name]
                if field.type is float:
                    values[field.name] = float(text or "nan")
                else:
                    values[field.name] = int(text) if field.type is int else text
            rows.append(record(**values))
    return rows


def column_names(record: type["DataclassInstance"]) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass."""
    return tuple(field.name for field in fields(record))


def _text(column: str, value: object) -> str:
    if isinstance(value, str):
        return protected(value)
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return ""
    # + 0.0 turns -0.0 into 0.0
    return f"{max(value, SMALLEST_P):.6g}" if column in P_VALUES else f"{round(value, 6) + 0.0:.6f}"
