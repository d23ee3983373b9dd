"""CSV tables as people save them: any separator, with or without a byte order mark.

Both table readers (images and volumes) read their table here, find its columns and resolve its
paths.
"""

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.csv_cells import unprotected
from equipoise.data.images.listing import first_few
from equipoise.discovery import unknown
from equipoise.exceptions import DataError
from equipoise.validation import refuse_together

NO_COLUMN = "none"  # the name of a column that a table does not have
SEPARATORS = ",;\t|"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # first bytes of .xlsx, .ods and .xls


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of a table.

    Attributes:
        line: Line number in the file.
        cells: Column -> stripped content of its cell, "" if the cell is empty.
        file: Name of the file, "" where the table has only one.
    """

    line: int
    cells: Mapping[str, str]
    file: str = ""

    @property
    def place(self) -> str:
        """Return where the row is, for a message."""
        return f"{self.file} line {self.line}".lstrip()

    def cell(self, column: str | None) -> str:
        """Return the content of a cell, "" if the table has no such column."""
        return self.cells[column] if column else ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a header.

    Attributes:
        path: Its file.
        columns: Their names.
        rows: Its lines that have as many fields as the header.
        faults: What is wrong with its lines and header, a sentence each.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    faults: tuple[str, ...] = ()

    def find_columns(
        self,
        usual_names: Mapping[str, Sequence[str]],
        options: object,
        *,
        required: Sequence[str],
        fix: str,
        hints: Mapping[str, str] | None = None,
    ) -> dict[str, str | None]:
        """Return role -> column, None where the table has no such column.

        A column is the one that the options name (`<role>_column`; "none" is no column), or else
        the first one with a usual name, in any case and with any spaces, "_", "-" or "." in it.

        Args:
            usual_names: Role -> usual names of its column, in lower case and without separators.
            options: Options of the reader.
            required: Roles whose column the table must have.
            fix: Sentence for a missing column, with "{role}" in the place of its role.
            hints: Role -> what else helps where its column is missing.

        Raises:
            DataError: A column that the options name, or a required one, is missing, or two columns
                have the same usual name.
        """
        faults: list[str] = []
        columns: dict[str, str | None] = {}
        for role, names in usual_names.items():
            requested = getattr(options, f"{role}_column")
            if requested in self.columns:
                columns[role] = requested
                continue
            columns[role] = None
            if requested not in (None, NO_COLUMN):
                faults.append(unknown(requested, self.columns, "column"))
                continue
            candidates: list[str] = []
            for name in names if requested is None else ():
                candidates = candidates or [c for c in self.columns if compact(c) == name]
            if len(set(candidates)) > 1:
                fields = first_few(candidates)
                faults.append(f"{fields} may all be the {role}. {fix.format(role=role)}")
            elif candidates:
                columns[role] = candidates[0]
            elif role in required:
                fault = (
                    f"expected a column of the {role} ({first_few(names, 8)}), got the columns "
                    f"{first_few(self.columns, 12) or 'none'}. {fix.format(role=role)}"
                )
                faults.append(f"{fault} {(hints or {}).get(role, '')}".rstrip())
        if faults:
            self.refuse(faults)
        return columns

    def cells(self, column: str | None) -> list[str]:
        """Return the cells of a column, all "" if the table has no such column."""
        return [row.cell(column) for row in self.rows]

    def refuse(self, faults: Sequence[str]) -> None:
        """Raise one error for all faults, if there are any.

        Raises:
            DataError: There are faults, those of `self.faults` included.
        """
        refuse_together(self.path, (*self.faults, *faults))


def read_table(path: Path) -> Table:
    r"""Read a table with a header: UTF-8 or UTF-16; commas, semicolons, tabs or vertical bars.

    Blank lines are left out. Lines with more or fewer fields than the header, and columns of the
    same name, are faults of the table: they are named together with what its reader finds.

    Raises:
        DataError: There is no file, or it is not a table in UTF-8 or UTF-16.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("file;label\na.png; benign\n")
        ...     table = read_table(path)
        >>> table.columns
        ('file', 'label')
        >>> table.rows[0]
        TableRow(line=2, cells={'file': 'a.png', 'label': 'benign'}, file='')
    """
    if not path.is_file():
        raise DataError(f"Expected a CSV table at {path}, found none. Check the path.")
    text = _decode(path)
    line = 0
    lines: dict[int, list[str]] = {}  # number of the first line -> fields
    if named := re.match(r"sep=(.)\s*\n", text):  # a line for Excel
        text, line = text[named.end() :], 1
    header = text.partition("\n")[0]
    separator = named[1] if named else max(SEPARATORS, key=header.count)
    if refusal := not_separated(text[: text.find("\n", 2000)], header):
        raise DataError(f"Expected {path} to be a CSV table in UTF-8, {refusal}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    n_before = line
    try:
        for fields in reader:
            if any(map(str.strip, fields)):
                lines[line + 1] = [unprotected(field.strip()) for field in fields]
            line = n_before + reader.line_num
    except csv.Error as error:
        raise DataError(
            f"Expected {path} to be a CSV table in UTF-8, it is not (from line {line + 1} on: "
            f"{error}). A quote that opens must close. Save it again."
        ) from error
    if not lines:
        raise DataError(
            f"Expected a CSV table with a header at {path}, got an empty file. Fill it."
        )
    return _as_table(path, lines)


def not_separated(beginning: str, header: str) -> str:
    r"""Return why a text is no table, and what to do, where its beginning shows it; else "".

    Args:
        beginning: Its first lines.
        header: The first of them.

    Example:
        >>> not_separated('"file" "label"\n"1" "a.png" "ill"\n', '"file" "label"')
        'its fields are separated by spaces. Save it with commas (write.csv in R).'
    """
    if header.lstrip()[:1] in ("{", "["):
        return "got JSON. Save it as CSV."
    is_separated = any(separator in header for separator in SEPARATORS)
    if not is_separated and re.search(r'"[ \t]+"', beginning):
        return "its fields are separated by spaces. Save it with commas (write.csv in R)."
    return ""


def _decode(path: Path) -> str:
    """Return the text of a table.

    Raises:
        DataError: It is no text in UTF-8 or UTF-16.
    """
    content = path.read_bytes()
    fix = "Save it as CSV in UTF-8."
    if content.startswith(WORKBOOKS):
        raise DataError(f"Expected {path} to be a CSV table in UTF-8, got a workbook. {fix}")
    encoding = "utf-16" if content.startswith(UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        text_before = content[: error.start].rpartition(b"\n")[2][-20:].decode("ascii", "replace")
        raise DataError(
            f"Expected {path} to be a CSV table in UTF-8, it is not (line {line}, after "
            f"{text_before!r}: {error.reason}). {fix}"
        ) from error
    if "\0" in text:
        line = text.partition("\0")[0].count("\n") + 1
        raise DataError(
            f"Expected {path} to be a CSV table in UTF-8, it is not (line {line} has a null "
            f"character). {fix}"
        )
    return text


def _as_table(path: Path, lines: Mapping[int, Sequence[str]]) -> Table:
    """Divide lines into header and rows, and collect the faults of their shape."""
    names: list[str] = []
    for i, name in enumerate(next(iter(lines.values()), ())):
        names.append(name or f"(column {i + 1})")
    rows: list[TableRow] = []
    ragged: list[str] = []
    for line, fields in list(lines.items())[1:]:
        n = len(fields)
        while n > len(names) and not fields[n - 1]:  # separators at the end of a line
            n -= 1
        if n == len(names):
            rows.append(TableRow(line=line, cells=dict(zip(names, fields[:n], strict=True))))
        else:
            ragged.append(f"line {line} has {n} ({first_few(fields, 3)})")
    faults: list[str] = []
    if ragged:
        fix = "Put fields that contain the separator in quotes."
        if len(names) == 1 and len(ragged) > len(rows):
            fix = f"Its first line ({first_few(names)}) seems to be a title: remove it."
        faults.append(
            f"expected {len(names)} fields in every line, as in the header: {first_few(ragged)}. "
            f"{fix}"
        )
    repeated = sorted(name for name, n in Counter(names).items() if n > 1)
    if repeated:
        faults.append(f"columns of the same name: {first_few(repeated)}. Rename or remove one.")
    return Table(path=path, columns=tuple(names), rows=tuple(rows), faults=tuple(faults))


def table_and_root(path: Path, table: Path | str | None) -> tuple[Path, Path]:
    """Return the path of the table, and the folder that the paths in it are relative to.

    Args:
        path: The folder of the files if a table is given separately, otherwise the table itself.
        table: The `table` option.
    """
    if table is not None:
        return Path(table).expanduser(), path
    return path, path.parent


def resolve_cell(cell: str, base: Path, *, keep_links: bool = False) -> Path:
    """Return the absolute path that a cell names, with symbolic links followed unless kept.

    Backslashes, as in tables made on Windows, separate folders too. The path may be outside.

    Args:
        cell: The cell.
        base: The absolute folder that it is relative to.
        keep_links: Whether symbolic links stay as they are.
    """
    path = base / cell.replace("\\", "/")
    if keep_links:
        return Path(os.path.normpath(path))
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or no possible name
        return path


def is_file(path: Path) -> bool:
    """Return whether there is a file, False also where no file can have such a name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def compact(header: str) -> str:
    """Return the name of a column in lower case without spaces and punctuation.

    Example:
        >>> compact("Patient ID"), compact("StudyInstanceUID")
        ('patientid', 'studyinstanceuid')
    """
    return re.sub(r"[\W_]+", "", header.lower())
