"""Cells of CSV files: text that a spreadsheet would compute is written with an apostrophe before.

A file name or class such as `=HYPERLINK(...)` is otherwise a formula for the one who opens a table
of ours. Reading a table gives the same text again.

Source: OWASP, "CSV Injection"; the signs of a full width are taken for theirs by some programs.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

_FORMULA = re.compile(r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")


def protected(text: str) -> str:
    """Return a text for a cell: one that a spreadsheet would compute begins with an apostrophe.

    Example:
        >>> protected("=1+1"), protected("p7=a.png"), protected("'-1")
        ("'=1+1", 'p7=a.png', "''-1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unprotected(cell: str) -> str:
    """Return the text that `protected` was given.

    Example:
        >>> unprotected("'=1+1"), unprotected("'tis")
        ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_lines(file: IO[str], lines: Iterable[Sequence[object]]) -> None:
    """Write lines of cells; text is protected, numbers are not."""
    write_cells(file, map(_protected_line, lines))


def write_cells(file: IO[str], lines: Iterable[Sequence[object]]) -> None:
    """Write lines of cells that are protected already."""
    writer = csv.writer(file, lineterminator="\n")
    quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for line in lines:
        # The module csv does not quote a carriage return, at which readers end a line.
        has_return = any("\r" in str(cell) for cell in line)
        (quoting if has_return else writer).writerow(line)


def read_lines(file: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield each line of a table with a header as {column: text}.

    Raises:
        ValueError: A line has more or fewer cells than the header.
    """
    reader = csv.reader(file)
    header = list(map(unprotected, next(reader, [])))
    for cells in reader:
        if cells:
            yield dict(zip(header, map(unprotected, cells), strict=True))


def _protected_line(line: Sequence[object]) -> list[object]:
    return [protected(cell) if isinstance(cell, str) else cell for cell in line]
