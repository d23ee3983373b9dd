"""Find tables beside images that name them, so that their labels and patients are not lost."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from equipoise.data.csv_table import Table, compact, read_table
from equipoise.data.images.image_folder import ImageFolder
from equipoise.data.images.listing import first_few
from equipoise.data.images.table_columns import COLUMNS, TABLE_SUFFIXES
from equipoise.data.patient_columns import means_patients
from equipoise.exceptions import DataError
from equipoise.names import quoted

WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")
MAX_BYTES = 50_000_000  # of a table that is looked into
MAX_BYTES_ABOVE = 10_000_000  # of one that is in the folder above, with other things
MOST_ABOVE = 20  # tables there that are looked into
SHARE = 0.5  # of the images, or of the rows of a table of labels, that a column has to name
USEFUL = frozenset({*COLUMNS["label"], *COLUMNS["split"]})


@dataclass(frozen=True, kw_only=True)
class NamingColumn:
    """A column that names images.

    Attributes:
        name: The column.
        n_images: How many images it names.
    """

    name: str
    n_images: int


def describe_tables(root: Path, folder: ImageFolder) -> list[str]:
    """Return a sentence for each table in a folder of images, or beside it, that names them.

    Args:
        root: The folder.
        folder: Its files.
    """
    sentences = []
    for path in (*(root / file for file in folder.other_files), *tables_above(root)):
        suffix = path.suffix.lower()
        if suffix in WORKBOOKS and path.parent == root:
            sentences.append(
                f"Not used: {quoted(path.name)}, a workbook. If it has labels or patients of the "
                "images, save it as CSV, and give that with table (--table CSV)."
            )
        if suffix not in TABLE_SUFFIXES or path.stat().st_size > MAX_BYTES:
            continue
        try:
            table = read_table(path)
        except DataError:
            continue  # not a table; it is listed as a file that was left out
        column = naming_column(table, folder.files)
        if column is not None:
            sentences.append(sentence_about(table, column, len(folder.files)))
    return sentences


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
    paths = set(images)
    names = {PurePosixPath(image).name for image in images}
    stems = {PurePosixPath(image).stem for image in images}
    best = None
    for name in table.columns:
        cells = set(table.cells(name))
        last_parts = {PurePosixPath(cell.replace("\\", "/")).name for cell in cells}
        n_images = max(len(cells & paths), len(last_parts & names), len(last_parts & stems))
        n_required = min(len(cells), len(images)) if is_useful else len(images)
        is_enough = n_images >= SHARE * n_required
        if is_enough and n_images > 1 and (best is None or n_images > best.n_images):
            best = NamingColumn(name=name, n_images=n_images)
    return best


def sentence_about(table: Table, column: NamingColumn, n_images: int) -> str:
    """Return what a table could be used for, and how."""
    columns = [name for name in table.columns if name != column.name]
    patients = list(filter(means_patients, columns))
    leak = f" Without its patients ({patients[0]}) the comparison may leak." if patients else ""
    option = f"--table {shlex.quote(str(table.path))}"
    if compact(column.name) not in COLUMNS["path"]:
        option += f" --path-column {shlex.quote(column.name)}"
    return (
        f"Not used: {quoted(table.path.name)}, a table that names {column.n_images:,} of the "
        f"{n_images:,} images (column {column.name}), with the columns {first_few(columns, 12)}. "
        f"Its labels, patients and split are used with table ({option}).{leak}"
    )
