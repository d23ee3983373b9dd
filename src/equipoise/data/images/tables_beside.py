"""Find tables beside images that name them, so that their labels and patients are not lost."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import splitext

from equipoise.data.csv_table import Table, compact, read_table
from equipoise.data.images.companions import words_of
from equipoise.data.images.image_folder import ImageFolder
from equipoise.data.images.listing import first_few
from equipoise.data.images.named_files import IMAGE_SUFFIXES, files_of_cells, parts_of
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.split_tables import join_parts, parts_of_split
from equipoise.data.images.table_columns import COLUMNS, SUBMISSION, TABLE_SUFFIXES
from equipoise.data.label_columns import columns_of_flags
from equipoise.data.patient_columns import means_patients, patient_column
from equipoise.data.walking import walk
from equipoise.exceptions import DataError
from equipoise.names import first_names, quoted

WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")
MAX_BYTES = 50_000_000  # of a table that is looked into
MAX_BYTES_ABOVE = 10_000_000  # of one that is in the folder above, with other things
MOST_ABOVE = 20  # tables there that are looked into
SHARE = 0.5  # of the images, or of the rows of a table of labels, that a column has to name
USEFUL = frozenset({*COLUMNS["label"], *COLUMNS["split"]})


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
    for path in (
        *(root / file for file in folder.other_files),
        *small_tables(root.resolve().parent),
    ):
        suffix = path.suffix.lower()
        if suffix in WORKBOOKS and path.parent == root:
            sentence = (
                f"Not used: {quoted(path.name)}, a workbook. If it has labels or patients of the "
                "images, save it as CSV, and give that with table (--table CSV)."
            )
            tables.append(TableBeside(sentence=sentence))
        is_template = SUBMISSION.fullmatch(words_of(path.stem)) or path in joined
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
        elif names_folders(table, folder.files):
            tables.append(about_folders(table))
    return sorted(tables, key=lambda table: not table.has_labels)


def patients_elsewhere(table: Table, files: Sequence[str]) -> list[str]:
    """Return a fault for each table beside a table that names patients with several of its images.

    Args:
        table: A table without patients.
        files: The images that it names.
    """
    faults: list[str] = []
    for path in small_tables(table.path.parent):
        try:
            other = table if path == table.path else read_table(path)
        except DataError:
            continue
        column = patient_column(other)
        naming = naming_column(other, files)
        if column is None or naming is None or column == naming.name:
            continue
        patients = other.cells(column)
        if len(set(patients)) < len(set(other.cells(naming.name))):
            faults.append(
                f"it has no patients, but {quoted(path.name)} has '{column}' of "
                f"{naming.n_images:,} of its {len(files):,} images: add this column to it, or the "
                "comparison leaks. To go on without, say that there is none with group_column "
                "(--group-column none)."
            )
    return faults


def naming_hint(table: Table, root: Path, options: ReadOptions) -> str:
    """Return which column of a table names images below a folder, or that none does."""
    tree = walk(root, ignore=options.ignore, follow_links=options.follow_links)
    images = [file for file in tree.files if splitext(file)[1].lower() in IMAGE_SUFFIXES]
    column = naming_column(table, images)
    if column is None:
        return "No column has the names of images there: add a column 'path' with them."
    return (
        f"Column '{column.name}' has the names of {column.n_images:,} images: --path-column "
        f"{shlex.quote(column.name)}."
    )


def names_folders(table: Table, images: Sequence[str]) -> bool:
    """Return whether the first column of a table names most folders of images: of patients."""
    folders = {PurePosixPath(image).parts[0] for image in images if "/" in image}
    cells = set(table.cells(table.columns[0]))
    return len(folders) > 1 and len(folders & cells) >= SHARE * len(folders)


def about_folders(table: Table) -> TableBeside:
    """Return how a table with a line for each folder could be used."""
    column, *further = table.columns
    sentence = (
        f"Not used: {quoted(table.path.name)}, a table that names folders, not images (column "
        f"{column}), with the columns {first_few(further, 12)}. Write a table with a line for each "
        "image from it (path, label, patient), and give that with table (--table CSV)."
    )
    return TableBeside(sentence=sentence)


def small_tables(folder: Path) -> list[Path]:
    """Return the small tables in a folder, not deeper."""
    paths = []
    try:
        for path in sorted(folder.iterdir()):
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
