"""Read a CSV table with the files of each case, and optionally its patient, mask and split."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from equipoise.data.csv_table import NO_COLUMN, Table, read_table, resolve_cell, table_and_root
from equipoise.data.images.listing import SPLIT_NAMES, first_few, split_of
from equipoise.data.images.options import ReaderCard
from equipoise.data.patient_columns import look_like_patients, patient_column, same_patients
from equipoise.data.spelling import is_missing
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.loading import load_cases
from equipoise.data.volumes.options import LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.roles import LABEL, MASK, UNCLEAR, role_of
from equipoise.exceptions import DataError
from equipoise.names import quoted

CARD = ReaderCard(
    name="table",
    summary="a CSV with case, label and a column of files for each modality, "
    "perhaps patient, mask, split",
    example="equipoise run brains.csv --task segmentation",
)
REQUIRED = ("case", "label")
USUAL_NAMES = {
    "case": ("case", "caseid", "casename"),
    "label": ("label",),
    "patient": (),  # see equipoise.data.patient_columns
    "mask": ("mask",),
    "split": ("split",),
}
# The command line has no option for the columns of volumes.
NAME_COLUMN = "Rename it to '{role}' in the table, or name it with {role}_column in Python."


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Return whether a table is given, or the path is a table."""
    return options.table is not None or path.suffix.lower() in (".csv", ".tsv")


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    r"""Read the cases that a table names.

    Paths are relative to `path`, or to the folder of the table if `path` is the table.

    The table has a header and one line per case. The columns case, label, patient, mask and split
    are found by name, in any case, unless they are named in the options; the first two are
    required; for that of the patients see `equipoise.data.patient_columns.patient_column`. Each
    other column whose cells are all volumes (or empty) is a modality, named as in
    `equipoise.data.volumes.roles`. Each path must stay inside the folder, with symbolic links
    followed.

    Raises:
        DataError: The table or a column is missing, or the table is empty or not a table; a case
            without a name, twice, or without a patient among others with one; an unknown split; a
            path that is absent or outside; two columns of one modality; a column that may name the
            patients; or see `load_cases`.

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
    columns = table.find_columns(USUAL_NAMES, options, required=REQUIRED, fix=NAME_COLUMN)
    if options.patient_column is None and not options.groups:
        columns["patient"] = patient_column(table, tuple(columns.values()))
    modalities, left_out = _find_modalities(table, set(columns.values()))
    faults = _case_faults(table, columns)
    if columns["patient"] is None and options.patient_column is None and not options.groups:
        faults += _suspected_patients(table, left_out)
    table.refuse(faults)
    same = same_patients(table.cells(columns["patient"]))
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
                patient=""
                if is_missing(cells["patient"])
                else same.get(cells["patient"], cells["patient"]),
                images=images,
                label_file=_file(cells["label"], cells["case"], root, table_path),
                mask_file=_file(cells["mask"], cells["case"], root, table_path),
                split=split_of(cells["split"]),
            )
        )
    note = (
        f"Columns of {quoted(table_path.name)} left out, not files of volumes: "
        f"{', '.join(left_out)}."
    )
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


def _case_faults(table: Table, columns: Mapping[str, str | None]) -> list[str]:
    """Return faults: cases without a name or named twice, or a patient, and unknown splits."""
    case_column, patient_column = str(columns["case"]), columns["patient"]
    n_times: Counter[str] = Counter()
    nameless_lines: list[str] = []
    without_patient: list[str] = []
    unknown_splits: set[str] = set()
    for row in table.rows:
        case, split = row.cells[case_column], row.cell(columns["split"])
        if is_missing(case):
            nameless_lines.append(f"line {row.line}")
        else:
            n_times[case] += 1
        if is_missing(row.cell(patient_column)):
            without_patient.append(f"{case} (line {row.line})")
        if not is_missing(split) and not split_of(split):
            unknown_splits.add(split)
    faults: list[str] = []
    if nameless_lines:
        faults.append(f"no case in {first_few(nameless_lines)}. Name each case.")
    if repeated := sorted(case for case, n in n_times.items() if n > 1):
        faults.append(f"cases twice: {first_few(repeated)}. Keep one line per case.")
    if 0 < len(without_patient) < len(table.rows):
        faults.append(
            f"no patient in column '{patient_column}' of some cases: {first_few(without_patient)}. "
            "Fill them in."
        )
    if unknown_splits:
        faults.append(
            f"splits that are not known: {first_few(sorted(unknown_splits))}. "
            f"Use {', '.join(SPLIT_NAMES)}."
        )
    return faults


def _suspected_patients(table: Table, left_out: Sequence[str]) -> list[str]:
    """Return a fault if a column that was left out looks as if it named patients."""
    taken = [column for column in table.columns if column not in left_out]
    suspects = look_like_patients(table, taken, ())
    if not suspects:
        return []
    return [
        f"no column is called like patients, but {first_few(suspects)} may name them. Rename it to "
        f"'patient', or remove it from the table; in Python name it with patient_column, or none "
        f"with patient_column='{NO_COLUMN}'."
    ]


def _file(cell: str, case: str, root: Path, table_path: Path) -> Path | None:
    """Return the file that a cell names, or None if the cell is empty."""
    if not cell:
        return None
    path = resolve_cell(cell, root.resolve())
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
