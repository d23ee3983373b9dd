"""Read a CSV table with the path and label of each image, and optionally its patient and split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from equipoise.data.csv_table import Table, TableRow, read_table, resolve_cell, table_and_root
from equipoise.data.images.listing import (
    SPLIT_NAMES,
    ListedImage,
    Listing,
    find_patients,
    first_few,
    list_images,
)
from equipoise.data.images.loading import load
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.exceptions import DataError

CARD = ReaderCard(
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
REQUIRED = ("path", "label")
NAME_COLUMN = "Name it with {role}_column (--{role}-column)."


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Return whether a table is given, or the path is a table."""
    return options.table is not None or path.suffix.lower() == ".csv"


def read(path: Path, options: ReadOptions) -> Loaded:
    r"""Read the images that a table names.

    Paths are relative to `path`, or to the folder of the table if `path` is the table.

    The table has a header and is separated by commas, semicolons or tabs. Its columns are found by
    name, in any case, unless they are named in the options. Each path must stay inside the folder,
    with symbolic links followed. A column of patients or splits that is empty throughout counts as
    absent; `options.groups` has priority over a column of patients.

    Raises:
        DataError: The table or a column is missing, or the table is empty or not a table; a line
            without a value, with an unknown split, or with a path that is absent, outside or
            repeated; or see the folder reader.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> lines = ["file,label,patient"]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(4):
        ...         Image.new("L", (16, 16)).save(Path(folder, f"{i}.png"))
        ...         lines.append(f"{i}.png,{'ab'[i % 2]},p{i // 2}")
        ...     _ = Path(folder, "labels.csv").write_text("\n".join(lines))
        ...     dataset = read(Path(folder, "labels.csv"), ReadOptions(cache="off")).dataset
        >>> dataset.labels.tolist(), dataset.groups.tolist()
        ([0, 1, 0, 1], [0, 0, 1, 1])

    See Also:
        equipoise.data.images.readers.folder.read: For one folder per class.
        equipoise.data.volumes.readers.table.read: For volumes.
    """
    return load(list_files(path, options), options)


def list_files(path: Path, options: ReadOptions) -> Listing:
    """List the files that `read` reads.

    Raises:
        DataError: See `read`.
    """
    table_path, root = table_and_root(path, options.table)
    if not root.is_dir():
        raise DataError(
            f"Expected the folder of the images of {table_path} at {root}, found none. "
            "Check the path."
        )
    table = read_table(table_path)
    columns = table.find_columns(COLUMNS, options, required=REQUIRED, fix=NAME_COLUMN)
    path_column, label_column = str(columns["path"]), str(columns["label"])
    rows = table.rows
    if not rows:
        raise DataError(
            f"Expected one line per image in {table_path}, found only a header. Fill the table."
        )
    for column in (path_column, label_column):
        empty = [row for row in rows if not row.cells[column]]
        problem = f"{table_path} has no value in column '{column}'"
        _refuse(empty, path_column, problem, "Fill it in, or remove the lines.")
    files = _relative_paths(rows, path_column, root, table_path)
    if options.groups:
        patients = find_patients(table.cells(path_column), options.groups)
    else:
        patients = _patients_in(table, columns["group"], path_column)
    images = []
    unknown_rows: list[TableRow] = []
    unknown_splits: set[str] = set()
    splits = table.cells(columns["split"])
    for row, file, patient, split in zip(rows, files, patients, splits, strict=True):
        if split and split.lower() not in SPLIT_NAMES:
            unknown_rows.append(row)
            unknown_splits.add(repr(split))
        known_split = SPLIT_NAMES.get(split.lower(), "")
        label = row.cells[label_column]
        images.append(ListedImage(file=file, label=label, patient=patient, split=known_split))
    names = first_few(sorted(unknown_splits))
    problem = f"{table_path} has splits that are not known ({names})"
    fix = f"Use {', '.join(SPLIT_NAMES)}, or rename the column."
    _refuse(unknown_rows, path_column, problem, fix)
    return list_images(root, images)


def _patients_in(table: Table, column: str | None, path_column: str) -> list[str]:
    """Return the patients of a column: all rows have one, or none has."""
    patients = table.cells(column)
    if any(patients):
        nameless = [row for row in table.rows if not row.cell(column)]
        problem = f"{table.path} has images without a patient among others with one"
        _refuse(nameless, path_column, problem, "Fill them in.")
    return patients


def _relative_paths(
    rows: Sequence[TableRow], column: str, root: Path, table_path: Path
) -> list[str]:
    """Return the path of each image relative to the root, with "/"."""
    base = root.resolve()
    paths = [resolve_cell(row.cells[column], root) for row in rows]
    n_times = Counter(paths)
    outside, missing, repeated = [], [], []
    for row, path in zip(rows, paths, strict=True):
        if not path.is_relative_to(base):
            outside.append(row)
        if not path.is_file():
            missing.append(row)
        if n_times[path] > 1:
            repeated.append(row)
    problem = f"{table_path} has paths that leave the folder {root}"
    _refuse(outside, column, problem, "Copy the images into the folder.")
    problem = f"{table_path} has paths that do not exist in {root}"
    _refuse(missing, column, problem, "Correct the paths, or remove the lines.")
    _refuse(repeated, column, f"{table_path} names files twice", "Keep one line per image.")
    return [path.relative_to(base).as_posix() for path in paths]


def _refuse(rows: Sequence[TableRow], path_column: str, problem: str, fix: str) -> None:
    """Raise a DataError that names the lines with a problem, if there are any."""
    if rows:
        lines = [f"line {row.line} ({row.cells[path_column] or 'no path'})" for row in rows]
        raise DataError(f"{problem}: {first_few(lines)}. {fix}")
