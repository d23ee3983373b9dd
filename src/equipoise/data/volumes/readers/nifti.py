"""Read case folders: modalities, label map and perhaps brain mask of each case as single files."""

from pathlib import Path

from equipoise.data.images.listing import first_few
from equipoise.data.images.options import ReaderCard
from equipoise.data.volumes.file import suffix_of
from equipoise.data.volumes.loading import load_cases
from equipoise.data.volumes.options import LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.roles import LABEL, MASK, UNCLEAR, is_volume, role_of
from equipoise.exceptions import DataError

CARD = ReaderCard(
    name="nifti",
    summary="a folder of case folders with .nii, .nii.gz or .mha files "
    "(flair, t1, t1c, t2, seg, brainmask)",
    example="equipoise run brains/ --task segmentation",
)


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Return whether the path is a folder with volumes at any depth, and no table is given."""
    if options.table is not None or not path.is_dir():
        return False
    return any(_is_volume_in(path, file) for file in path.rglob("*"))


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    """Read all cases below a folder; the role of a file is recognized by its name.

    Every folder that itself has volumes is a case, named by its path below `path`, or by the name
    of `path` if it is that folder. Files that are not volumes are ignored. Unless `options.groups`
    says otherwise, each case is a patient. See `equipoise.data.volumes.roles` for the names of
    files.

    Raises:
        DataError: Two files of a case have the same role, or a mask may be of anything; or see
            `load_cases`.

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
    folders = set()
    for file in path.rglob("*"):
        if _is_volume_in(path, file):
            folders.add(file.parent)
    cases = []
    for folder in sorted(folders):
        name = path.resolve().name if folder == path else folder.relative_to(path).as_posix()
        cases.append(_case(folder, name))
    return load_cases(cases, options)


def find_case(path: Path) -> RawCase:
    """Find the files of one case folder; the label file may be absent, as for a prediction.

    Raises:
        DataError: No such folder, no image in it, or see `read`.
    """
    if not path.is_dir():
        raise DataError(f"Expected the folder of a case at {path}, found none. Check the path.")
    case = _case(path, path.resolve().name)
    if not case.images:
        raise DataError(
            f"Expected the images of a case (.nii, .nii.gz or .mha) in {path}, found none. "
            "Check the path."
        )
    return case


def _is_volume_in(root: Path, file: Path) -> bool:
    return file.is_file() and is_volume(file.relative_to(root))


def _case(folder: Path, name: str) -> RawCase:
    """Find the files of a case by their roles."""
    files: dict[str, Path] = {}
    same_role: dict[str, list[str]] = {}
    for file in sorted(folder.iterdir()):
        if _is_volume_in(folder, file):
            stem = file.name[: -len(suffix_of(file))]
            role = role_of(stem, folder.resolve().name)
            files.setdefault(role, file)
            same_role.setdefault(role, []).append(file.name)
    for role, names in same_role.items():
        if role == UNCLEAR:
            raise DataError(
                f"Case {name}: {first_few(names)} may be a mask of the brain or of the tumor. "
                "Rename it to brainmask or to seg."
            )
        if len(names) > 1:
            raise DataError(
                f"Case {name}: {first_few(names)} all look like its {role}. Move all but one away, "
                "rename them, or list the files in a table."
            )
    label_file, mask_file = files.pop(LABEL, None), files.pop(MASK, None)
    return RawCase(id=name, images=files, label_file=label_file, mask_file=mask_file)
