"""Find tables beside images that name them, so that their labels and patients are not lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from equipoise.data.csv_table import Table, read_table
from equipoise.data.images.image_folder import ImageFolder
from equipoise.data.images.table_columns import COLUMNS
from equipoise.data.patient_columns import means_patients
from equipoise.exceptions import DataError
from equipoise.names import quoted

SUFFIXES = (".csv", ".tsv")
MAX_BYTES = 50_000_000  # of a table that is looked into
SHARE = 0.5  # of the images, or of the rows of a table of labels, that a column has to name
USEFUL = frozenset({*COLUMNS["label"], *COLUMNS["split"]})


@dataclass(frozen=True, kw_only=True)
class NamingColumn:
    """A column that names images.

    Attributes:
        name: The column.
        n_images: How many images it names.
        by_path: Whether it names them by their paths from the folder of the images.
    """

    name: str
    n_images: int
    by_path: bool


def describe_tables(root: Path, folder: ImageFolder) -> list[str]:
    """Return a sentence for each table in a folder of images that names them.

    Args:
        root: The folder.
        folder: Its files.
    """
    sentences = []
    for file in folder.other_files:
        path = root / file
        if path.suffix.lower() not in SUFFIXES or path.stat().st_size > MAX_BYTES:
            continue
        try:
            table = read_table(path)
        except DataError:
            continue  # not a table; it is listed as a file that was left out
        column = naming_column(table, folder.files)
        if column is not None:
            sentences.append(sentence_about(table, column, len(folder.files)))
    return sentences


def naming_column(table: Table, images: Sequence[str]) -> NamingColumn | None:
    """Return the column of a table that names most images, by path, name or name without suffix.

    It has to name half of the images, or be half of a table of labels, patients or splits.
    """
    is_useful = any(map(means_patients, table.columns))
    is_useful = is_useful or any(column.lower() in USEFUL for column in table.columns)
    paths = set(images)
    names = {PurePosixPath(image).name for image in images}
    stems = {PurePosixPath(image).stem for image in images}
    best = None
    for name in table.columns:
        cells = set(table.cells(name))
        n_by_path = len(cells & paths)
        n_images = max(n_by_path, len(cells & names), len(cells & stems))
        n_required = min(len(cells), len(images)) if is_useful else len(images)
        is_enough = n_images >= SHARE * n_required
        if is_enough and n_images > 1 and (best is None or n_images > best.n_images):
            best = NamingColumn(name=name, n_images=n_images, by_path=n_by_path == n_images)
    return best


def sentence_about(table: Table, column: NamingColumn, n_images: int) -> str:
    """Return what a table could be used for, and how."""
    columns = [name for name in table.columns if name != column.name]
    patients = list(filter(means_patients, columns))
    leak = f" Without its patients ({patients[0]}) the comparison may leak." if patients else ""
    sentence = (
        f"Not used: {quoted(table.path.name)}, a table that names {column.n_images:,} of the "
        f"{n_images:,} images (column {column.name}), with the columns {', '.join(columns[:12])}. "
    )
    if column.by_path:
        return f"{sentence}Its labels, patients and split are used with table (--table FILE).{leak}"
    return (
        f"{sentence}For its labels, patients and split with table (--table FILE) it needs a column "
        f"of paths from the folder of the images.{leak}"
    )
