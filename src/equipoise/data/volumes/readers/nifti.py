"""Case folders: each holds the modalities of a case, its label map and perhaps a brain mask, as single files."""

from collections.abc import Sequence
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
    summary="a folder of case folders with .nii, .nii.gz or .mha files (flair, t1, t1c, t2, seg, brainmask)",
    example="equipoise run brains/ --task segmentation",
)


def recognizes(path: Path, options: VolumeOptions) -> bool:
    """Take a folder with volumes at any depth."""
    return (
        options.table is None
        and path.is_dir()
        and any(_is_volume_in(path, file) for file in path.rglob("*"))
    )


def read(path: Path, options: VolumeOptions) -> LoadedVolumes:
    """Read all cases below a folder; what a file is, is told by its name (`equipoise.data.volumes.roles`).

    Every folder that itself holds volumes is a case, named by its path below `path`, or by the name
    of `path` if it is that folder. Files that are no volumes are passed over. Unless
    `options.groups` says otherwise, each case is a patient.

    Raises:
        DataError: Two files of a case are the same thing, or a mask may be of anything; or see
            `load_cases`.
    """
    files = sorted(file for file in path.rglob("*") if _is_volume_in(path, file))
    folders = sorted({file.parent for file in files})
    return load_cases([_case(folder, _name(folder, path)) for folder in folders], options)


def find_case(path: Path) -> RawCase:
    """Find the files of one case folder; a label file may be absent, as where it is to be predicted.

    Raises:
        DataError: No such folder, no volume of an image in it, or see `read`.
    """
    if not path.is_dir():
        raise DataError(f"Expected the folder of a case at {path}, found none. Check the path.")
    case = _case(path, path.resolve().name)
    if not case.images:
        raise DataError(
            f"Expected the images of a case (.nii, .nii.gz or .mha) in {path}, found none. Check the path."
        )
    return case


def _is_volume_in(root: Path, file: Path) -> bool:
    return file.is_file() and is_volume(file.relative_to(root))


def _name(folder: Path, root: Path) -> str:
    return root.resolve().name if folder == root else folder.relative_to(root).as_posix()


def _case(folder: Path, name: str) -> RawCase:
    files = sorted(file for file in folder.iterdir() if _is_volume_in(folder, file))
    roles: dict[str, list[Path]] = {}
    for file in files:
        stem = file.name[: -len(suffix_of(file))]
        roles.setdefault(role_of(stem, folder.resolve().name), []).append(file)
    for role, same in roles.items():
        _check_one(name, role, same)
    images = {role: same[0] for role, same in roles.items() if role not in (LABEL, MASK)}
    label, mask = (roles[role][0] if role in roles else None for role in (LABEL, MASK))
    return RawCase(id=name, images=images, label_file=label, mask_file=mask)


def _check_one(case: str, role: str, files: Sequence[Path]) -> None:
    names = first_few([file.name for file in files])
    if role == UNCLEAR:
        raise DataError(
            f"Case {case}: {names} may be a mask of the brain or of the tumor. Rename it to brainmask or to seg."
        )
    if len(files) > 1:
        raise DataError(
            f"Case {case}: {names} all look like its {role}. Move all but one away, rename them, or list the files "
            "in a table."
        )
