"""Read a CSV table with the path and label of each image, and optionally its patient and split."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from equipoise.data.csv_table import (
    NO_COLUMN,
    Table,
    is_file,
    read_table,
    table_and_root,
)
from equipoise.data.images.listing import (
    SPLIT_NAMES,
    ListedImage,
    Listing,
    find_patients,
    first_few,
    list_images,
    split_of,
)
from equipoise.data.images.loading import load
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.data.images.outline import pixel_faults
from equipoise.data.images.patient_names import suggest_groups
from equipoise.data.images.split_tables import is_empty, join_parts
from equipoise.data.images.table_columns import (
    TABLE_SUFFIXES,
    columns_note,
    find_image_columns,
    join_flags,
    tables_like_it_note,
)
from equipoise.data.images.table_lines import Lines, once_each, relative_paths
from equipoise.data.images.tables_beside import WORKBOOKS, naming_hint, patients_elsewhere
from equipoise.data.label_columns import label_faults
from equipoise.data.patient_columns import (
    look_like_patients,
    means_patients,
    patient_column,
    same_patients,
)
from equipoise.data.spelling import is_missing, spellings
from equipoise.data.walking import is_ignored
from equipoise.exceptions import DataError, ListingError
from equipoise.names import first_names

ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)  # 1.23E+10

CARD = ReaderCard(
    name="table",
    summary="a CSV with path and label, and optionally patient and split, of each image",
    example="equipoise run films/ --table films/labels.csv --label-column finding",
)


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Return whether a table is given, or the path is a table."""
    return options.table is not None or path.suffix.lower() in (*TABLE_SUFFIXES, *WORKBOOKS)


def read(path: Path, options: ReadOptions) -> Loaded:
    r"""Read the images that a table names.

    Paths are relative to `path`, or to the folder of the table if `path` is the table.

    The table has a header; see `equipoise.data.csv_table.read_table`. Tables beside it that are the
    other parts of a split by their names (train.csv, val.csv, test.csv) are read with it. Its
    columns are found by name, in any case, unless they are named in the options ("none" is no
    column); for that of the patients see `equipoise.data.patient_columns.patient_column`. Each path
    must stay inside the folder, with symbolic links followed, unless `options.follow_links` lets
    links lead out of it; paths that match `options.ignore` are left out. A column of patients or
    splits that is empty throughout counts as absent; `options.groups` has priority over a column of
    patients.

    Raises:
        DataError: The table or a column is missing, or the table is empty or not a table; lines of
            another length than the header, without a value, with an unknown split, or with a path
            that is absent, outside or repeated with another class, patient or split; labels that
            are spellings of one another; a column, or another table, that may name the patients.
            All faults of a table are in one error. Or see the folder reader.

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
    table, part_notes = join_parts(read_table(table_path), root, options.ignore)
    table, flag_notes = join_flags(table, options)
    columns = find_image_columns(table, options, partial(naming_hint, table, root, options))
    if is_empty(table):
        raise DataError(
            f"Expected one line per image in {table_path}, found only a header. Fill the table."
        )
    path_column, label_column = str(columns["path"]), str(columns["label"])
    lines = Lines(table=table, path_column=path_column)
    files, file_notes = relative_paths(lines, root, label_column, options)
    _check_labels(lines, label_column)
    columns["group"] = _patient_column(table, columns, options)
    patients, patient_notes = _patients(lines, columns, options)
    if options.group_column is None and not any(patients):
        lines.faults.extend(patients_elsewhere(table, files))
    splits, split_notes = _splits(lines, columns["split"], options)
    if not any(splits) and not all(map(is_missing, table.cells(columns["split"]))):
        columns["split"] = None
    images = []
    for file, label, patient, split in zip(
        files, table.cells(label_column), patients, splits, strict=True
    ):
        images.append(ListedImage(file=file, label=label, patient=patient, split=split))
    images, repeated_notes = once_each(lines, images)
    _refuse(lines, root, files, label_column, options)
    notes = [*part_notes, *flag_notes, columns_note(table, columns), *tables_like_it_note(table)]
    notes += [*file_notes, *repeated_notes, *patient_notes, *split_notes]
    if options.ignore:
        ignored = [image.file for image in images if is_ignored(image.file, options.ignore)]
        left_out = set(ignored)
        images = [image for image in images if image.file not in left_out]
        notes.append(f"Left out, ignored ({len(ignored):,}): {first_names(ignored)}.")
    return list_images(root, images, notes, by_table=True)


def _refuse(
    lines: Lines, root: Path, files: Sequence[str], label_column: str, options: ReadOptions
) -> None:
    """Raise one error for the faults of the lines, and for damaged files among theirs.

    Raises:
        ListingError: The lines have faults.
    """
    try:
        lines.table.refuse(lines.faults)
    except DataError as error:
        inside = [file for file in dict.fromkeys(files) if not Path(file).is_absolute()]
        existing = [file for file in inside if is_file(root / file)]
        message = "\n".join([str(error), *pixel_faults(root, existing, options)])
        raise ListingError(message, sorted(set(lines.table.cells(label_column)))) from error


def _check_labels(lines: Lines, column: str) -> None:
    """Add faults for labels that are missing, span lines, or are spellings of one another."""
    labels = set(lines.table.cells(column))
    missing = {label for label in labels if is_missing(label, labels)}
    fix = "Fill it in, or remove the lines; rename a class that is called like this."
    names = ", ".join(sorted(map(repr, missing - {""})))
    but = f" but {names}" if names else ""
    rows = lines.rows_where(column, missing.__contains__)
    lines.add_fault(rows, f"no value{but} in column '{column}'", fix)
    rows = lines.rows_where(column, lambda label: "\n" in label or "\r" in label)
    lines.add_fault(rows, f"line breaks in column '{column}'", "Close the quotes in each line.")
    lines.faults.extend(label_faults(lines.table, column))
    for group in spellings(labels - missing):
        counts = Counter(label for label in lines.table.cells(column) if label in group)
        (usual, _), *rarer = counts.most_common()
        spelled = {label for label, _ in rarer}
        rows = lines.rows_where(column, spelled.__contains__)
        problem = f"spellings of one class in column '{column}', {_counted(counts)}"
        lines.add_fault(rows, problem, f"Write '{usual}' everywhere, or rename other classes.")


def _patient_column(
    table: Table, columns: Mapping[str, str | None], options: ReadOptions
) -> str | None:
    """Return the column of patients: the named one, or else the one that is called like them."""
    if options.groups:
        return None
    if options.group_column is not None:
        return columns["group"]
    return patient_column(table, tuple(columns.values()))


def _patients(
    lines: Lines, columns: Mapping[str, str | None], options: ReadOptions
) -> tuple[list[str], list[str]]:
    """Return the patient of each line ("" without patients), and notes about them."""
    table, n, column = lines.table, len(lines.table.rows), columns["group"]
    if options.groups:
        patients, faults = find_patients(table.cells(lines.path_column), options.groups)
        lines.faults.extend(faults)
        return patients, []
    patients = table.cells(column)
    rows = [row for row in table.rows if is_missing(row.cell(column))]
    if len(rows) == n:
        if options.group_column is None:
            _ask_for_patients(lines, tuple(columns.values()), str(columns["label"]))
        n_classes = len(set(table.cells(columns["label"])))
        paths = list(dict.fromkeys(table.cells(lines.path_column)))
        return [""] * n, suggest_groups(paths, n_classes)
    rounded = {patient for patient in patients if ROUNDED.fullmatch(patient)}
    if column is not None and rounded:
        problem = f"patients in column '{column}' that a spreadsheet has rounded"
        fix = "Write the whole ids again, as text."
        lines.add_fault(lines.rows_where(column, rounded.__contains__), problem, fix)
    problem = f"images without a patient among others with one in column '{column}'"
    lines.add_fault(rows, problem, "Fill them in, or name another column (--group-column).")
    notes: list[str] = []
    if column is not None and options.group_column is None and not means_patients(column):
        notes.append(
            f"Images of one '{column}' count as one patient ({len(set(patients)):,} in {n:,} "
            "images). If another column names the patients, name it with group_column "
            "(--group-column)."
        )
    same = same_patients(patients)
    if same:
        notes.append(
            f"Patients of column '{column}' that differ only in spelling count as one "
            f"({len(same):,} spellings of {len(set(same.values())):,})."
        )
    return [same.get(patient, patient) for patient in patients], notes


def _ask_for_patients(lines: Lines, taken: Sequence[str | None], label_column: str) -> None:
    """Add a fault if a column looks as if it named patients."""
    table = lines.table
    suspects = look_like_patients(table, taken, table.cells(label_column))
    if not suspects:
        return
    listed = []
    for column in suspects:
        listed.append(f"'{column}' ({len(set(table.cells(column))):,} values)")
    name = shlex.quote(suspects[0])
    lines.faults.append(
        f"no column is called like patients, but {first_few(listed)} may name them in "
        f"{len(table.rows):,} lines. Name the column of patients with group_column "
        f"(--group-column {name}), or say that there is none (--group-column {NO_COLUMN})."
    )


def _splits(lines: Lines, column: str | None, options: ReadOptions) -> tuple[list[str], list[str]]:
    """Return the split of each line ("" where it has none), and notes about them."""
    cells = lines.table.cells(column)
    splits = ["" if is_missing(cell) else split_of(cell) or cell for cell in cells]
    unknown = sorted(set(splits).difference(SPLIT_NAMES.values(), ("",)))
    counts = Counter(filter(None, splits))
    if column is None or not counts:
        return [""] * len(cells), []
    way_out = f"leave the column out with split_column='{NO_COLUMN}' (--split-column {NO_COLUMN})"
    if unknown:
        names = first_few(list(map(repr, unknown)))
        is_certain = options.split_column is not None or column.lower() == "split"
        if not is_certain and set(counts).isdisjoint(SPLIT_NAMES.values()):
            return [""] * len(cells), []  # "set" or "phase" may mean anything
        rows = lines.rows_where(column, lambda cell: cell in unknown)
        problem = f"splits that are not known ({names}) in column '{column}'"
        lines.add_fault(rows, problem, f"Use {', '.join(SPLIT_NAMES)}, or {way_out}.")
    elif "train" not in counts and counts.total() == len(cells):
        lines.faults.append(f"column '{column}' has no train images. Add some, or {way_out}.")
    elif "test" not in counts:
        return splits, []  # the plan says so
    if n_missing := splits.count(""):
        return splits, [
            f"{n_missing:,} of {len(cells):,} images have no value in column '{column}' and count "
            "as training images."
        ]
    return splits, []


def _counted(counts: Mapping[str, int]) -> str:
    """Return "'normal' 12, 'Normal' 4"."""
    return ", ".join(f"{name!r} {n:,}" for name, n in counts.items())
