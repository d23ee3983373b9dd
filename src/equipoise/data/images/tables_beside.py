"""Find tables beside images that name them, so that their labels and patients are not lost."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.data.csv_table import Table, compact, read_table
from equipoise.data.images.companions import words_of
from equipoise.data.images.image_folder import ImageFolder
from equipoise.data.images.listing import first_few
from equipoise.data.images.named_files import files_of_cells, parts_of
from equipoise.data.images.split_tables import join_parts, parts_of_split
from equipoise.data.images.table_columns import COLUMNS, TABLE_SUFFIXES
from equipoise.data.label_columns import columns_of_flags
from equipoise.data.patient_columns import means_patients
from equipoise.exceptions import DataError
from equipoise.names import first_names, quoted

WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")
MAX_BYTES = 50_000_000  # of a table that is looked into
MAX_BYTES_ABOVE = 10_000_000  # of one that is in the folder above, with other things
MOST_ABOVE = 20  # tables there that are looked into
SHARE = 0.5  # of the images, or of the rows of a table of labels, that a column has to name
USEFUL = frozenset({*COLUMNS["label"], *COLUMNS["split"]})
NO_LABELS = re.compile("(.*_)?submissions?(_.*)?")  # tables that contain invented labels


@dataclass(frozen=True, kw_only=True)
class TableBeside:
    """What is said of a table beside images.

    Attributes:
        sentence: What it could be used for, and how.
        has_labels: Whether it seems to have the classes of the images.
    """

    sentence: str
    has_labels: bool = False


@dataclass(frozen=True, kw_only=True)
class NamingColumn:
    """A column that names images.

    Attributes:
        name: The column.
        n_images: How many images it names.
    """

    name: str
    n_images: int


def describe_tables(root: Path, folder: ImageFolder) -> list[TableBeside]:
    """Return what to say of each table in a folder of images, or beside it, that names them.

    Tables that are read together, such as train.csv and test.csv, are one.

    Args:
        root: The folder.
        folder: Its files.
    """
    tables: list[TableBeside] = []
    joined: set[Path] = set()
    for path in (*(root / file for file in folder.other_files), *tables_above(root)):
        suffix = path.suffix.lower()
        if suffix in WORKBOOKS and path.parent == root:
            sentence = (
                f"Not used: {quoted(path.name)}, a workbook. If it has labels or patients of the "
                "images, save it as CSV, and give that with table (--table CSV)."
            )
            tables.append(TableBeside(sentence=sentence))
        is_template = NO_LABELS.fullmatch(words_of(path.stem)) or path in joined
        if suffix not in TABLE_SUFFIXES or is_template or path.stat().st_size > MAX_BYTES:
            continue
        try:
            table, _ = join_parts(read_table(path), root)
        except DataError:
            continue  # not a table; it is listed as a file that was left out
        column = naming_column(table, folder.files)
        if column is not None:
            if any(row.file for row in table.rows):
                joined.update(parts_of_split(path))
            tables.append(about_table(table, column, len(folder.files)))
    return sorted(tables, key=lambda table: not table.has_labels)


def tables_above(root: Path) -> list[Path]:
    """Return the small tables in the folder that contains a folder, not deeper."""
    paths = []
    try:
        for path in sorted(root.resolve().parent.iterdir()):
            is_table = path.suffix.lower() in TABLE_SUFFIXES and path.is_file()
            if is_table and path.stat().st_size <= MAX_BYTES_ABOVE:
                paths.append(path)
    except OSError:  # the folder may not be read
        return []
    return paths[:MOST_ABOVE]


def naming_column(table: Table, images: Sequence[str]) -> NamingColumn | None:
    """Return the column of a table that names most images, by path, name or name without suffix.

    It has to name half of the images, or be half of a table of labels, patients or splits.
    """
    is_useful = any(map(means_patients, table.columns))
    is_useful = is_useful or any(compact(column) in USEFUL for column in table.columns)
    names = {parts_of(image)[-1] for image in images}
    best = None
    for name in table.columns:
        cells = set(table.cells(name)) - {""}
        n_required = SHARE * (min(len(cells), len(images)) if is_useful else len(images))
        n_required = max(n_required, 2, 0 if best is None else best.n_images + 1)
        named = [cell for cell in cells if parts_of(cell)[-1] in names]
        if len(named) < n_required:  # a fast check, of names alone
            continue
        n_images = sum(map(bool, files_of_cells(named, images).values()))
        if n_images >= n_required:
            best = NamingColumn(name=name, n_images=n_images)
    return best


def about_table(table: Table, column: NamingColumn, n_images: int) -> TableBeside:
    """Return what a table could be used for, and how."""
    columns = [name for name in table.columns if name != column.name]
    patients = list(filter(means_patients, columns))
    leak = f" Without its patients ({patients[0]}) the comparison may leak." if patients else ""
    option = f"--table {shlex.quote(str(table.path))}"
    if compact(column.name) not in COLUMNS["path"]:
        option += f" --path-column {shlex.quote(column.name)}"
    files = sorted({row.file for row in table.rows if row.file})
    parts = (
        f" It reads {first_names(files)} as one, with their names as the split." if files else ""
    )
    sentence = (
        f"Not used: {quoted(table.path.name)}, a table that names {column.n_images:,} of the "
        f"{n_images:,} images (column {column.name}), with the columns {first_few(columns, 12)}. "
        f"Its labels, patients and split are used with table ({option}).{parts}{leak}"
    )
    has_labels = any(compact(name) in COLUMNS["label"] for name in columns)
    has_labels = has_labels or bool(columns_of_flags(table, ()))
    return TableBeside(sentence=sentence, has_labels=has_labels)
