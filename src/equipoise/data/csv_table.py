"""CSV tables as people save them: commas, semicolons or tabs, with or without a byte order mark."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from equipoise.exceptions import DataError

Numbered = list[tuple[int, dict[str, str]]]  # line number, and what stands in each column


def read_csv(table: Path) -> tuple[Sequence[str], Numbered]:
    """Read the columns and the numbered rows of a table with a header.

    Raises:
        DataError: There is no file, or it is no table in UTF-8.
    """
    if not table.is_file():
        raise DataError(f"Expected a CSV table at {table}, found none. Check the path.")
    try:
        text = table.read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
        numbered = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"Expected {table} to be a CSV table in UTF-8, it is not ({error}). Save it again."
        ) from error
    return reader.fieldnames or [], numbered
