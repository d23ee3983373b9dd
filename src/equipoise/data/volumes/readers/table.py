"""Read a CSV table with the files of each case, and optionally its patient, mask and split."""

from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path

from equipoise.data.csv_table import Table, read_table, resolve_cell, table_and_root
from equipoise.data.images.listing import SPLIT_NAMES, first_few
from equipoise.data.images.options import ReaderCard
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.loading import load_cases
from equipoise.data.volumes.options import COLUMN_ROLES, LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.roles import LABEL, MASK, UNCLEAR, role_of
from equipoise.exceptions import DataError

CARD = ReaderCard(
    name="table",
    summary="a CSV with case, label and a column of files for each modality, "
    "perhaps patient, mask, split",
    example="equipoise run brains.csv --task segmentation",
)
REQUIRED = ("case", "label")
# The command line has no option for the columns of volumes.
NAME_COLUMN = "Rename it to '{role}' in the table, or name it with {role}_column in Python."


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Return whether a table is given, or the path is a table."""
    return options.table is not None or path.suffix.lower() == ".csv"


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    r"""Read the cases that a table names.

    Paths are relative to `path`, or to the folder of the table if `path` is the table.

    The table has a header and one line per case. The columns case, label, patient, mask and split
    are found by name, in any case, unless they are named in the options; the first two are
    required. Each other column whose cells are all volumes (or empty) is a modality, named as in
    `equipoise.data.volumes.roles`. Each path must stay inside the folder, with symbolic links
    followed.

    Raises:
        DataError: The table or a column is missing, or the table is empty or not a table; a case
            without a name, twice, or without a patient among others with one; an unknown split; a
            path that is absent or outside; two columns of one modality; or see `load_cases`.

    Example:
        >>> import tempfile
        >>> from equipoise.data.phantoms.brains import write_brains
        >>> lines = ["case,flair,label,patient"]
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = write_brains(Path(name, "brains"), 2, side=16, depth=8)
        ...     for i in range(2):
        ...         lines.append("scan-{0},{1}/flair.nii.gz,{1}/seg.nii.gz,p7".format(
        ...             i, f"patient-{i:03d}"))
        ...     _ = Path(folder, "cases.csv").write_text("\n".join(lines))
        ...     options = VolumeOptions(cache=Path(name, "cache"))
        ...     dataset = read(folder / "cases.csv", options).dataset
        >>> dataset.ids.tolist(), dataset.groups.tolist(), dataset.modalities
        (['scan-0', 'scan-1'], [0, 0], ('FLAIR',))

    See Also:
        equipoise.data.volumes.readers.nifti.read: For one folder per case.
        equipoise.data.images.readers.table.read: For images.
    """
    table_path, root = table_and_root(path, options.table)
    table = read_table(table_path)
    if not table.rows:
        raise DataError(
            f"Expected one line per case in {table_path}, found only a header. Fill the table."
        )
    usual_names = {role: (role,) for role in COLUMN_ROLES}
    columns = table.find_columns(usual_names, options, required=REQUIRED, fix=NAME_COLUMN)
    modalities, left_out = _find_modalities(table, set(columns.values()))
    _check_cases(table, columns)
    cases = []
    for row in table.rows:
        cells = {role: row.cell(column) for role, column in columns.items()}
        images = {}
        for modality, column in modalities.items():
            file = _file(row.cells[column], cells["case"], root, table_path)
            if file is not None:
                images[modality] = file
        cases.append(
            RawCase(
                id=cells["case"],
                patient=cells["patient"],
                images=images,
                label_file=_file(cells["label"], cells["case"], root, table_path),
                mask_file=_file(cells["mask"], cells["case"], root, table_path),
                split=SPLIT_NAMES.get(cells["split"].lower(), ""),
            )
        )
    note = f"Columns of {table_path.name} left out, not files of volumes: {', '.join(left_out)}."
    return load_cases(cases, options, (note,) if left_out else ())


def _find_modalities(table: Table, taken: Set[str | None]) -> tuple[dict[str, str], list[str]]:
    """Return modality -> column, and the columns that are neither modalities nor taken."""
    modalities: dict[str, str] = {}
    left_out = []
    for column in table.columns:
        if column in taken:
            continue
        modality = role_of(column)
        suffixes = [suffix_of(Path(cell)) for cell in table.cells(column) if cell]
        has_volumes = bool(suffixes) and all(suffixes)
        if not has_volumes or modality in (LABEL, MASK, UNCLEAR):
            left_out.append(column)
        elif modality in modalities:
            raise DataError(
                f"{table.path}: the columns {modalities[modality]} and {column} are the same "
                "modality. Remove one of them."
            )
        else:
            modalities[modality] = column
    return modalities, left_out


def _check_cases(table: Table, columns: Mapping[str, str | None]) -> None:
    """Refuse cases without a name or named twice, some without a patient, and unknown splits."""
    case_column = str(columns["case"])
    n_times: Counter[str] = Counter()
    nameless: list[str] = []
    unknown_splits: set[str] = set()
    for row in table.rows:
        case = row.cells[case_column]
        n_times[case] += 1
        if not row.cell(columns["patient"]):
            nameless.append(case)
        split = row.cell(columns["split"])
        if split and split.lower() not in SPLIT_NAMES:
            unknown_splits.add(split)
    if n_empty := n_times.pop("", 0):
        raise DataError(f"{table.path} has {n_empty} lines without a case. Name each case.")
    if repeated := sorted(case for case, n in n_times.items() if n > 1):
        raise DataError(
            f"{table.path} names cases twice: {first_few(repeated)}. Keep one line per case."
        )
    if 0 < len(nameless) < len(table.rows):
        raise DataError(
            f"{table.path} names no patient for some cases: {first_few(nameless)}. Fill them in."
        )
    if unknown_splits:
        raise DataError(
            f"{table.path} has splits that are not known: {first_few(sorted(unknown_splits))}. "
            f"Use {', '.join(SPLIT_NAMES)}."
        )


def _file(cell: str, case: str, root: Path, table_path: Path) -> Path | None:
    """Return the file that a cell names, or None if the cell is empty."""
    if not cell:
        return None
    path = resolve_cell(cell, root)
    if not path.is_relative_to(root.resolve()):
        raise DataError(
            f"{table_path}, case {case}: {cell} leaves the folder {root}. "
            "Copy the file into the folder."
        )
    if not path.is_file():
        raise DataError(
            f"{table_path}, case {case}: {root} has no file {cell}. "
            "Correct the path, or empty the cell."
        )
    return path
