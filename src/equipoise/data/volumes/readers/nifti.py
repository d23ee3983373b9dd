"""Read case folders: modalities, label map and perhaps brain mask of each case as single files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from equipoise.data.images.listing import first_few
from equipoise.data.images.options import ReaderCard
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.loading import load_cases
from equipoise.data.volumes.named_cases import DERIVATIVES, bids_cases, cases_in_one_folder
from equipoise.data.volumes.options import LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.paired_folders import paired_cases
from equipoise.data.volumes.roles import (
    LABEL,
    MASK,
    UNCLEAR,
    is_volume,
    not_read_problem,
    role_of,
    volumes_not_read,
)
from equipoise.data.walking import Walk, walk
from equipoise.exceptions import DataError
from equipoise.names import first_names, quoted

CARD = ReaderCard(
    name="nifti",
    summary="a folder of case folders with .nii, .nii.gz or .mha files "
    "(flair, t1, t1c, t2, seg, brainmask)",
    example="equipoise run brains/ --task segmentation",
)


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Return whether the path is a folder with volumes at any depth, and no table is given.

    Volumes in formats that are not read count too, so that `read` can name them.
    """
    if options.table is not None or not path.is_dir():
        return False
    files = _walk(path, options).files
    return any(is_volume(Path(file)) for file in files) or bool(volumes_not_read(path, files))


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    """Read all cases below a folder; the role of a file is recognized by its name.

    Every folder that itself has volumes is a case, named by its path below `path`, or by the name
    of `path` if it is that folder; or all images are in one folder and all label maps in another
    one (see `equipoise.data.volumes.paired_folders`); or only names tell the files of cases apart
    (see `equipoise.data.volumes.named_cases`). Files that are no volumes are ignored. Unless
    `options.groups` says otherwise, each case is a patient. See `equipoise.data.volumes.roles` for
    the names of files.

    Raises:
        DataError: Two files of a case have the same role, or a mask may be of anything; there are
            volumes in formats that are not read, links without a target or out of the folder; or
            see `load_cases`.

    Example:
        >>> import tempfile
        >>> from equipoise.data.phantoms.brains import write_brains
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = write_brains(Path(name, "brains"), 2, side=16, depth=8)
        ...     dataset = read(folder, VolumeOptions(cache=Path(name, "cache"))).dataset
        >>> dataset.ids.tolist(), dataset.scheme.name
        (['patient-000', 'patient-001'], 'brats2013')

    See Also:
        equipoise.data.volumes.readers.table.read: For files whose names do not say what they are.
    """
    tree = _walk(path, options)
    volumes = tree.where(lambda file: is_volume(Path(file)))
    problems = volumes.problems(skip=options.on_error == "skip")
    notes = volumes.notes()
    if without_effect := tree.unmatched(options.ignore):
        notes.append(without_effect)
    not_read = volumes_not_read(path, tree.files)
    if not_read and (options.on_error == "stop" or not volumes.files):
        problems.append(not_read_problem(path, not_read, volumes.files))
    elif not_read:
        notes.append(
            f"Left out, volumes in formats that are not read ({len(not_read)}): "
            f"{first_names(not_read)}."
        )
    if problems:
        raise DataError("\n".join(problems))
    files_of: dict[Path, list[Path]] = {}
    for file in volumes.files:
        files_of.setdefault((path / file).parent, []).append(path / file)
    return load_cases(_find_cases(path, files_of, notes), options, notes)


def _find_cases(
    path: Path, files_of: Mapping[Path, Sequence[Path]], notes: list[str]
) -> list[RawCase]:
    """Return the cases of all volumes, and note how they were found where that is not obvious.

    Raises:
        DataError: Names all folders whose files are not one case.
    """
    if in_bids := bids_cases(path, files_of):
        example = next(case.label_file for case in in_bids if case.label_file is not None)
        notes.append(
            f"Label maps were found below {DERIVATIVES} by the names of subjects and sessions, "
            f"such as {quoted(example.relative_to(path).as_posix())}."
        )
        return in_bids
    paired = paired_cases(path, files_of)
    cases = list(paired.cases)
    problems: list[str] = []
    if paired.unlabeled:
        names = [folder.relative_to(path).as_posix() for folder in paired.unlabeled]
        notes.append(f"Left out, images without label maps ({len(names)}): {first_names(names)}.")
    for folder, files in sorted(files_of.items()):
        if folder in paired.folders:
            continue
        if flat := cases_in_one_folder(path, folder, files):
            cases += flat
            notes.append(
                f"The files of {len(flat):,} cases in one folder ({quoted(folder.name)}) were put "
                f"together by their names, such as {described(flat[0])}."
            )
            continue
        name = path.resolve().name if folder == path else folder.relative_to(path).as_posix()
        try:
            cases.append(_case(folder, name, files))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return cases


def described(case: RawCase) -> str:
    """Return the files of a case for a note.

    Example:
        >>> files = {"images": {"CT": Path("p7.nii")}, "label_file": Path("p7_seg.nii")}
        >>> described(RawCase(id="p7", **files))
        'p7: “p7.nii” (CT), “p7_seg.nii” (label)'
    """
    parts = [f"{quoted(file.name)} ({role})" for role, file in case.images.items()]
    if case.label_file is not None:
        parts.append(f"{quoted(case.label_file.name)} ({LABEL})")
    return f"{case.id}: {', '.join(parts)}"


def find_case(path: Path) -> RawCase:
    """Find the files of one case folder; the label file may be absent, as for a prediction.

    Raises:
        DataError: No such folder, no image in it, or see `read`.
    """
    if not path.is_dir():
        raise DataError(f"Expected the folder of a case at {path}, found none. Check the path.")
    names = sorted(file.name for file in path.iterdir() if file.is_file())
    files = [path / name for name in names if is_volume(Path(name))]
    case = _case(path, path.resolve().name, files)
    if not case.images:
        not_read = volumes_not_read(path, names)
        fix = not_read_problem(path, not_read, ()) if not_read else "Check the path."
        raise DataError(
            f"Expected the images of a case (.nii, .nii.gz or .mha) in {path}, found none. {fix}"
        )
    return case


def _walk(path: Path, options: VolumeOptions) -> Walk:
    return walk(path, ignore=options.ignore, follow_links=options.follow_links)


def _case(folder: Path, name: str, files: Sequence[Path]) -> RawCase:
    """Recognize the files of a case by their roles."""
    by_role: dict[str, Path] = {}
    same_role: dict[str, list[str]] = {}
    for file in files:
        stem = file.name[: -len(suffix_of(file))]
        role = role_of(stem, folder.resolve().name)
        by_role.setdefault(role, file)
        same_role.setdefault(role, []).append(file.name)
    for role, names in same_role.items():
        if role == UNCLEAR:
            raise DataError(
                f"Case {name}: {first_few(names)} may be a mask of the brain or of the tumor. "
                "Call it brainmask or seg in its name, or list the files in a table (--table CSV "
                "with case, label and a column of files for each modality)."
            )
        if len(names) > 1:
            raise DataError(
                f"Case {name}: {first_few(names)} all look like its {role}. If they are several "
                "cases, put each in a folder of its own; else move all but one away, rename them, "
                "or list the files in a table (--table CSV with case, label and "
                "a column of files for each modality)."
            )
    label_file, mask_file = by_role.pop(LABEL, None), by_role.pop(MASK, None)
    return RawCase(id=name, images=by_role, label_file=label_file, mask_file=mask_file)
