"""Columns of a table of images: their usual names, and what is said of those used and not used."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from equipoise.data.csv_table import Table, TableRow, compact
from equipoise.data.images.companions import words_of
from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.listing import first_few
from equipoise.data.images.options import ReadOptions
from equipoise.data.label_columns import columns_of_flags, flag_columns, labels_of_flags
from equipoise.data.patient_columns import means_patients
from equipoise.data.spelling import is_missing
from equipoise.names import first_names, quoted

# Role -> usual names of its column, in lower case and without separators, the first one first.
COLUMNS = {
    "path": (
        *("path", "file", "image", "filename", "filepath", "imagepath", "imagefile", "imagename"),
        *("imagefilename", "imageid", "imageindex", "images", "img", "imgpath", "imgname"),
        *("imgfile", "imgid", "fname", "filenames", "filepaths", "idcode", "id"),
    ),
    "label": (
        *("label", "class", "target", "labels", "classname", "diagnosis", "category"),
        *("labelname", "classlabel", "dx", "diagnostic", "diagnoses", "finding", "findings"),
        *("findinglabel", "findinglabels", "disease", "pathology", "groundtruth", "gt"),
        *("annotation", "outcome", "grade", "severity", "level", "classid", "classes", "y"),
    ),
    "group": (),  # see equipoise.data.patient_columns
    "split": ("split", "datasplit", "partition", "subset", "set", "phase", "usage"),
}
LABEL_COLUMN = "label"  # the one that is added where each class has a column
REQUIRED = ("path", "label")
ROLES = {"path": "images", "label": "classes", "group": "patients", "split": "split"}
TABLE_SUFFIXES = (".csv", ".tsv")
MAY_BE_SPLIT = re.compile(
    r"(is|cv|k|in)?(train|test|val|valid|validation|holdout|fold|split)+"
    r"(ing|ed|set|id|idx|index|no|nr|num|number|\d)*"
)
NO_CLASSES = re.compile(f"{MAY_BE_SPLIT.pattern}|(is)?(fe)?male")  # of columns of flags
SUBMISSION = re.compile("(.*_)?submissions?(_.*)?")  # a table with invented labels, by its words
MOST_CLASSES = 20  # of a column that may be that of the labels
FEWEST_IMAGES = 5  # of a class there, on average
NO_LABELS = re.compile(  # headers of columns with few values that are not labels
    ".*(age|sex|gender|view|position|site|hospital|split|fold|set|type|date|year|width|height).*"
)
HEADER_BYTES = 65536  # of other tables, which show their columns


def find_image_columns(
    table: Table, options: object, path_hint: Callable[[], str] = str
) -> dict[str, str | None]:
    """Return role -> column of a table of images.

    Args:
        table: The table.
        options: Options of the reader.
        path_hint: Returns what helps where no column is called like that of the paths.

    Raises:
        DataError: See `equipoise.data.csv_table.Table.find_columns`.
    """
    hints = {"label": columns_of_flags(table, ()) or label_hint(table)}
    if not any(compact(column) in COLUMNS["path"] for column in table.columns):
        hints["path"] = path_hint()
    if any(column.lower().endswith(tuple(SUFFIXES)) for column in table.columns):
        hints["path"] = "Its first line seems to be an image: put a header (file,label) above it."
    return table.find_columns(
        COLUMNS,
        options,
        required=REQUIRED,
        fix="Name it with {role}_column (--{role}-column).",
        hints=hints,
    )


def label_hint(table: Table) -> str:
    """Return which columns may be those of the labels, by their values; "" if none or many."""
    candidates = []
    for column in table.columns:
        values = [cell for cell in table.cells(column) if not is_missing(cell)]
        n_classes = len(set(values))
        is_small = 2 <= n_classes <= min(MOST_CLASSES, len(values) // FEWEST_IMAGES)
        if is_small and not means_patients(column) and not NO_LABELS.fullmatch(compact(column)):
            candidates.append(
                f"{column!r} ({n_classes} values, --label-column {shlex.quote(column)})"
            )
    return f"It may be {first_few(candidates)}." if 0 < len(candidates) <= 3 else ""


def join_flags(table: Table, options: ReadOptions) -> tuple[Table, list[str]]:
    """Add a column of labels where each class has a column of flags, one of them 1 in each line.

    The table itself where it has a column of labels, or one is named. Flags of a split or of the
    sex are no classes.
    """
    has_labels = any(compact(column) in COLUMNS["label"] for column in table.columns)
    no_classes = [column for column in table.columns if NO_CLASSES.fullmatch(compact(column))]
    labels = labels_of_flags(table, no_classes)
    if has_labels or options.label_column is not None or not labels:
        return table, []
    rows: list[TableRow] = []
    for row, label in zip(table.rows, labels, strict=True):
        rows.append(replace(row, cells={**row.cells, LABEL_COLUMN: label}))
    listed = first_few(flag_columns(table, no_classes), 12)
    note = f"Classes of {quoted(table.path.name)}: columns {listed}; one is 1 in each line."
    columns = (*table.columns, LABEL_COLUMN)
    return replace(table, columns=columns, rows=tuple(rows)), [note]


def columns_note(table: Table, columns: Mapping[str, str | None]) -> str:
    """Return which columns were used for what, and which were not.

    Args:
        table: The table.
        columns: Role -> column.
    """
    parts = []
    for role, noun in ROLES.items():
        column = columns[role]
        parts.append(f"{noun} {'none' if column is None else repr(column)}")
    used = set(columns.values())
    unused = [column for column in table.columns if column not in used]
    note = f"Columns of {quoted(table.path.name)}: {', '.join(parts)}"
    if unused:
        note += f"; not used: {first_few(unused, 12)}"
    labels = [column for column in unused if compact(column) in COLUMNS["label"]]
    if labels:
        note += (
            f". The classes may also be in {first_few([repr(column) for column in labels])}: name "
            "another column with label_column (--label-column)"
        )
    splits = [column for column in unused if MAY_BE_SPLIT.fullmatch(compact(column))]
    if splits and columns["split"] is None:
        note += (
            f". '{splits[0]}' may be a split: to use it, write train, val and test in it, and name "
            "it with split_column (--split-column)"
        )
    return f"{note}."


def tables_like_it_note(table: Table) -> list[str]:
    """Return a note about other tables in the folder of a table with the same columns, if any."""
    folder = table.path.resolve().parent
    joined = {table.path.name, *(row.file for row in table.rows)}
    others = []
    for path in sorted(folder.iterdir()):
        is_other = path.suffix.lower() in TABLE_SUFFIXES and path.name not in joined
        is_other = is_other and not SUBMISSION.fullmatch(words_of(path.stem))
        if is_other and first_line(path) == first_line(table.path):
            others.append(path.name)
    if not others:
        return []
    return [
        f"Tables with the same columns that are not used: {first_names(others)}. To use them too, "
        "join them in one table, with the parts of a split (train, val, test) in a column 'split'."
    ]


def first_line(path: Path) -> bytes:
    """Return the first line of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES).partition(b"\n")[0].strip()
    except OSError:
        return b""
