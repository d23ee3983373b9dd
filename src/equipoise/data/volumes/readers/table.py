"""A CSV table with the files of each case, and optionally its patient and split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from equipoise.data.csv_table import read_csv
from equipoise.data.images.listing import SPLIT_NAMES, first_few
from equipoise.data.images.options import Card
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.loading import load_cases
from equipoise.data.volumes.options import COLUMN_ROLES, LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.roles import LABEL, MASK, UNCLEAR, role_of
from equipoise.discovery import unknown
from equipoise.exceptions import DataError

CARD = Card(
    name="table",
    summary="a CSV with case, label and a column of files for each modality, perhaps patient, mask, split",
    example="equipoise run brains.csv --task segmentation",
)

NO_MODALITY = (LABEL, MASK, UNCLEAR)
Cells = Mapping[str, str]  # column -> what stands there, "" if nothing


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Take what a table describes, and a table itself."""
    return options.table is not None or path.suffix.lower() == ".csv"


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    """Read the cases that a table names; paths are relative to `path` (if it is the table, to its folder).

    The table has a header and one line per case. The columns case, label, patient, mask and split are found by
    name, in capitals or not, unless they are named in the options; the first two must be there. Each other column
    whose cells are all volumes (or empty) is a modality, named as in `equipoise.data.volumes.roles`. Each path must
    stay inside the folder, symbolic links followed.

    Raises:
        DataError: The table or a column is missing, or the table is empty or no table; a case without a name,
            twice, or without a patient among others with one; an unknown split; a path that is absent or outside;
            two columns of one modality; or see `load_cases`.
    """
    table, root = (
        (Path(options.table).expanduser(), path)
        if options.table is not None
        else (path, path.parent)
    )
    columns, lines = _read_lines(table)
    named = {role: _find_column(role, columns, options, table) for role in COLUMN_ROLES}
    modalities, left_out = _modalities(columns, lines, set(named.values()), table)
    _check(lines, named, table)
    cases = [_case(line, named, modalities, root, table) for line in lines]
    note = f"Columns of {table.name} left out, not files of volumes: {', '.join(left_out)}."
    return load_cases(cases, options, (note,) if left_out else ())


def _read_lines(table: Path) -> tuple[Sequence[str], list[Cells]]:
    columns, numbered = read_csv(table)
    if not numbered:
        raise DataError(
            f"Expected one line per case in {table}, found only a header. Fill the table."
        )
    return columns, [
        {name: (row.get(name) or "").strip() for name in columns} for _, row in numbered
    ]


def _find_column(
    role: str, columns: Sequence[str], options: VolumeOptions, table: Path
) -> str | None:
    asked: str | None = getattr(options, f"{role}_column")
    if asked is not None:
        if asked not in columns:
            raise DataError(f"{table}: {unknown(asked, columns, 'column')}")
        return asked
    found = {name.strip().lower(): name for name in columns}.get(role)
    if found is None and role in ("case", "label"):
        raise DataError(
            f"Expected a column '{role}' in {table}, got the columns {first_few(columns, 12)}. Name it with "
            f"{role}_column."
        )
    return found


def _modalities(
    columns: Sequence[str], lines: Sequence[Cells], taken: set[str | None], table: Path
) -> tuple[dict[str, str], list[str]]:
    """Find modality -> column, and the columns that are none."""
    free = [name for name in columns if name not in taken]
    files = [
        name for name in free if _are_volumes(name, lines) and role_of(name) not in NO_MODALITY
    ]
    found: dict[str, str] = {}
    for name in files:
        if (other := found.setdefault(role_of(name), name)) != name:
            raise DataError(
                f"{table}: the columns {other} and {name} are the same modality. Remove one of them."
            )
    return found, [name for name in free if name not in files]


def _are_volumes(column: str, lines: Sequence[Cells]) -> bool:
    cells = [line[column] for line in lines if line[column]]
    return bool(cells) and all(suffix_of(Path(cell)) for cell in cells)


def _check(lines: Sequence[Cells], named: Mapping[str, str | None], table: Path) -> None:
    """Refuse cases without a name or named twice, patients of some cases only, and splits that are not known."""
    roles = ("case", "patient", "split")
    cases, patients, splits = (
        [line.get(named[role] or "", "") for line in lines] for role in roles
    )
    if not all(cases):
        raise DataError(f"{table} has {cases.count('')} lines without a case. Name each case.")
    if twice := sorted(case for case, n in Counter(cases).items() if n > 1):
        raise DataError(f"{table} names cases twice: {first_few(twice)}. Keep one line per case.")
    if any(patients) and not all(patients):
        nameless = [case for case, patient in zip(cases, patients, strict=True) if not patient]
        raise DataError(
            f"{table} names no patient for some cases: {first_few(nameless)}. Fill them in."
        )
    if strange := sorted({split for split in splits if split and split.lower() not in SPLIT_NAMES}):
        known = ", ".join(SPLIT_NAMES)
        raise DataError(
            f"{table} has splits that are not known: {first_few(strange)}. Use {known}."
        )


def _case(
    line: Cells,
    named: Mapping[str, str | None],
    modalities: Mapping[str, str],
    root: Path,
    table: Path,
) -> RawCase:
    cells = {role: line.get(column or "", "") for role, column in named.items()}
    case = cells["case"]
    images = {name: _file(line[column], case, root, table) for name, column in modalities.items()}
    return RawCase(
        id=case,
        patient=cells["patient"],
        images={name: file for name, file in images.items() if file is not None},
        label_file=_file(cells["label"], case, root, table),
        mask_file=_file(cells["mask"], case, root, table),
        split=SPLIT_NAMES.get(cells["split"].lower(), ""),
    )


def _file(cell: str, case: str, root: Path, table: Path) -> Path | None:
    """Find a file below the root; the backslashes of a table made on Windows are understood."""
    if not cell:
        return None
    base = root.resolve()
    path = (base / cell.replace("\\", "/")).resolve()
    if not path.is_relative_to(base):
        raise DataError(
            f"{table}, case {case}: {cell} leaves the folder {root}. Copy the file into the folder."
        )
    if not path.is_file():
        raise DataError(
            f"{table}, case {case}: {root} has no file {cell}. Correct the path, or empty the cell."
        )
    return path
