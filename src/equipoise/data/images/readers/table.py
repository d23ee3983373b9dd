"""A CSV table with the path and label of each image, and optionally its patient and split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from equipoise.data.csv_table import read_csv
from equipoise.data.images.listing import SPLIT_NAMES, Row, find_patients, first_few, list_rows
from equipoise.data.images.loading import load
from equipoise.data.images.options import COLUMN_ROLES, Card, Loaded, ReadOptions
from equipoise.discovery import unknown
from equipoise.exceptions import DataError

CARD = Card(
    name="table",
    summary="a CSV with path and label, and optionally patient and split, of each image",
    example="equipoise run films/ --table films/labels.csv --label-column finding",
)
COLUMNS = {
    "path": ("path", "file", "image", "filename"),
    "label": ("label", "class", "target"),
    "group": ("patient", "patient_id", "group", "subject", "slide", "lesion"),
    "split": ("split",),
}


class Line(NamedTuple):
    """What a line of the table says, in words."""

    number: int
    path: str
    label: str
    group: str
    split: str


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Take what a table describes, and a table itself."""
    return options.table is not None or path.suffix.lower() == ".csv"


def read(path: Path, options: ReadOptions) -> Loaded:
    """Read the images that a table names; paths are relative to `path` (if it is the table, to its folder).

    The table has a header and is separated by commas, semicolons or tabs. Its columns are found by name, in any
    case, unless they are named in the options. Each path must stay inside the folder, symbolic links followed. A
    column of patients or splits that is empty throughout counts as absent; `options.groups` goes before a column of
    patients.

    Raises:
        DataError: The table or a column is missing, or the table is empty or no table; a line without a value, with
            an unknown split, or with a path that is absent, outside or repeated; or see the folder reader.
    """
    table, root = (
        (Path(options.table).expanduser(), path)
        if options.table is not None
        else (path, path.parent)
    )
    if not root.is_dir():
        raise DataError(
            f"Expected the folder of the images of {table} at {root}, found none. Check the path."
        )
    lines = _read_lines(table, options)
    files = _inside(root, lines, table)
    patients = (
        find_patients([line.path for line in lines], options.groups)
        if options.groups
        else _patients(lines, table)
    )
    splits = _splits(lines, table)
    columns = zip(files, lines, patients, splits, strict=True)
    rows = [
        Row(file=file, label=line.label, patient=patient, split=split)
        for file, line, patient, split in columns
    ]
    return load(list_rows(root, rows), options)


def _read_lines(table: Path, options: ReadOptions) -> list[Line]:
    columns, numbered = read_csv(table)
    names = {role: _find_column(role, columns, options, table) for role in COLUMN_ROLES}
    lines = [
        Line(
            number,
            **{role: (row.get(name) or "").strip() if name else "" for role, name in names.items()},
        )
        for number, row in numbered
    ]
    if not lines:
        raise DataError(
            f"Expected one line per image in {table}, found only a header. Fill the table."
        )
    for role in ("path", "label"):
        empty = [line for line in lines if not getattr(line, role)]
        _refuse(
            empty,
            f"{table} has no value in column '{names[role]}'",
            "Fill it in, or remove the lines.",
        )
    return lines


def _find_column(
    role: str, columns: Sequence[str], options: ReadOptions, table: Path
) -> str | None:
    asked: str | None = getattr(options, f"{role}_column")
    if asked is not None:
        if asked not in columns:
            raise DataError(f"{table}: {unknown(asked, columns, 'column')}")
        return asked
    by_name = {column.strip().lower(): column for column in columns}
    if found := next((by_name[name] for name in COLUMNS[role] if name in by_name), None):
        return found
    if role in ("group", "split"):
        return None
    raise DataError(
        f"Expected a column of the {role} in {table} ({', '.join(COLUMNS[role])}), got the columns "
        f"{first_few(columns, 12) or 'none'}. Name it with {role}_column (--{role}-column)."
    )


def _inside(root: Path, lines: Sequence[Line], table: Path) -> list[str]:
    """Turn paths into names relative to the root; the backslashes of a table made on Windows are understood."""
    base = root.resolve()
    paths = [(base / line.path.replace("\\", "/")).resolve() for line in lines]
    places, n_times = list(zip(lines, paths, strict=True)), Counter(paths)
    outside = [line for line, path in places if not path.is_relative_to(base)]
    missing = [line for line, path in places if not path.is_file()]
    repeated = [line for line, path in places if n_times[path] > 1]
    _refuse(
        outside,
        f"{table} has paths that leave the folder {root}",
        "Copy the images into the folder.",
    )
    _refuse(
        missing,
        f"{table} has paths where {root} has no file",
        "Correct the paths, or remove the lines.",
    )
    _refuse(repeated, f"{table} names files twice", "Keep one line per image.")
    return [path.relative_to(base).as_posix() for path in paths]


def _patients(lines: Sequence[Line], table: Path) -> list[str]:
    if any(line.group for line in lines):
        nameless = [line for line in lines if not line.group]
        _refuse(
            nameless, f"{table} has images without a patient among others with one", "Fill them in."
        )
    return [line.group for line in lines]


def _splits(lines: Sequence[Line], table: Path) -> list[str]:
    strange = [line for line in lines if line.split and line.split.lower() not in SPLIT_NAMES]
    names = first_few(sorted({repr(line.split) for line in strange}))
    fix = f"Use {', '.join(SPLIT_NAMES)}, or rename the column."
    _refuse(strange, f"{table} has splits that are not known ({names})", fix)
    return [SPLIT_NAMES[line.split.lower()] if line.split else "" for line in lines]


def _refuse(lines: Sequence[Line], fault: str, fix: str) -> None:
    """Name the lines that have a fault, if there are any."""
    if lines:
        some = first_few([f"line {line.number} ({line.path or 'no path'})" for line in lines])
        raise DataError(f"{fault}: {some}. {fix}")
