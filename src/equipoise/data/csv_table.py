"""CSV tables as people save them: commas, semicolons or tabs, with or without a byte order mark.

Both table readers (images and volumes) read their table here, find its columns and resolve its
paths.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.data.images.listing import first_few
from equipoise.discovery import unknown
from equipoise.exceptions import DataError


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of a table.

    Attributes:
        line: Line number in the file.
        cells: Column -> stripped content of its cell, "" if the cell is empty.
    """

    line: int
    cells: Mapping[str, str]

    def cell(self, column: str | None) -> str:
        """Return the content of a cell, "" if the table has no such column."""
        return self.cells[column] if column else ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a header: its file, the names of its columns, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def find_columns(
        self,
        usual_names: Mapping[str, Sequence[str]],
        options: object,
        *,
        required: Sequence[str],
        fix: str,
    ) -> dict[str, str | None]:
        """Return role -> column, None where the table has no such column.

        A column is the one that the options name (`<role>_column`), or else the first one with a
        usual name, in any case.

        Args:
            usual_names: Role -> usual names of its column, in lower case.
            options: Options of the reader.
            required: Roles whose column the table must have.
            fix: Sentence for a missing column, with "{role}" in the place of its role.

        Raises:
            DataError: A column that the options name, or a required one, is missing.
        """
        by_lower_name = {column.strip().lower(): column for column in self.columns}
        columns: dict[str, str | None] = {}
        for role, names in usual_names.items():
            requested = getattr(options, f"{role}_column")
            if requested is not None and requested not in self.columns:
                raise DataError(f"{self.path}: {unknown(requested, self.columns, 'column')}")
            usual = next(filter(None, map(by_lower_name.get, names)), None)
            columns[role] = usual if requested is None else requested
            if columns[role] is None and role in required:
                raise DataError(
                    f"Expected a column of the {role} in {self.path} ({', '.join(names)}), got the "
                    f"columns {first_few(self.columns, 12) or 'none'}. {fix.format(role=role)}"
                )
        return columns

    def cells(self, column: str | None) -> list[str]:
        """Return the cells of a column, all "" if the table has no such column."""
        return [row.cell(column) for row in self.rows]


def read_table(path: Path) -> Table:
    r"""Read a table with a header.

    Raises:
        DataError: There is no file, or it is not a table in UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("file;label\na.png; benign\n")
        ...     table = read_table(path)
        >>> table.columns
        ('file', 'label')
        >>> table.rows[0]
        TableRow(line=2, cells={'file': 'a.png', 'label': 'benign'})
    """
    if not path.is_file():
        raise DataError(f"Expected a CSV table at {path}, found none. Check the path.")
    rows = []
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
        columns = tuple(reader.fieldnames or ())
        for row in reader:
            cells = {column: (row[column] or "").strip() for column in columns}
            rows.append(TableRow(line=reader.line_num, cells=cells))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"Expected {path} to be a CSV table in UTF-8, it is not ({error}). Save it again."
        ) from error
    return Table(path=path, columns=columns, rows=tuple(rows))


def table_and_root(path: Path, table: Path | str | None) -> tuple[Path, Path]:
    """Return the path of the table, and the folder that the paths in it are relative to.

    Args:
        path: The folder of the files if a table is given separately, otherwise the table itself.
        table: The `table` option.
    """
    if table is not None:
        return Path(table).expanduser(), path
    return path, path.parent


def resolve_cell(cell: str, root: Path) -> Path:
    """Return the absolute path that a cell names, with symbolic links followed.

    Backslashes, as in tables made on Windows, separate folders too. The path may be outside `root`.
    """
    return (root.resolve() / cell.replace("\\", "/")).resolve()
