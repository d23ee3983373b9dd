"""Recognize a volume file by its name: a modality, the label map or the brain mask.

A name is split into words at everything that is not a letter or digit; the name of the case's
folder at its beginning is ignored. The first line of `ROLES` that matches decides; case does not
matter:

    label   seg, segmentation, label, labels, truth, gt, OT, OTMultiClass, ground truth, tumor mask
    mask    brainmask, brain mask, covered, coverage, bet mask, bet (if no modality is named)
    FLAIR   flair, t2f, t2flair        T1c  t1c, t1ce, t1gd, t1-gd, t1post
    T1      t1, t1n, t1w               T2   t2, t2w

Anything else is a modality with the name of the file.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from equipoise.data.images.listing import first_few
from equipoise.data.volumes.file import suffix_of
from equipoise.data.walking import distinct_patterns, ignore_options

LABEL = "label"
MASK = "mask"
UNCLEAR = "unclear"  # a mask of what?
LABEL_WORDS = "seg|segmentation|labels?|truth|gt|ot|otmulticlass|ground_?truth"
ROLES = (
    (LABEL, rf"{LABEL_WORDS}|(tumou?r|lesion)_?mask|mask_of_tumou?r"),
    (MASK, r"brain_?mask|covered|coverage|bet_?mask"),
    (UNCLEAR, r"masks?|msk"),
    ("FLAIR", r"flair|t2_?f|t2_?flair"),
    ("T1c", r"t1_?(c|ce|gd|post)"),
    ("T1", r"t1[nw]?"),
    ("T2", r"t2w?"),
    (MASK, r"bet"),
)


# Volumes that are not read; the last name of several is compared too (.nii.bz2).
OTHER_FORMATS = re.compile(
    r".*(\.(nrrd|nhdr|dcm|dicom|ima|mgz|mgh|mhd|mnc|par|gipl|vtk|vti|head|brik|nii\.\w+"
    r"|(hdr|img)(\.gz)?|gipl\.gz|mha\.\w+|v))|dicomdir",
    re.IGNORECASE | re.DOTALL,
)
DICOM = (128, b"DICM")  # where a DICOM file has its signature


def volumes_not_read(root: Path, files: Sequence[str]) -> list[str]:
    """Return the files that seem to be volumes in other formats, by name or as DICOM by content.

    Example:
        >>> volumes_not_read(Path("brains"), ["p7/t1.nrrd", "p7/t2.nii.gz", "p7/t1.json"])
        ['p7/t1.nrrd']
    """
    not_read = []
    for file in files:
        name = PurePosixPath(file).name
        if suffix_of(Path(name)):
            continue
        may_be_dicom = "." not in name or name.rpartition(".")[2].isdecimal()
        if OTHER_FORMATS.fullmatch(name) or (may_be_dicom and _is_dicom(root / file)):
            not_read.append(file)
    return not_read


def not_read_problem(root: Path, not_read: Sequence[str], volumes: Sequence[str]) -> str:
    """Return what is wrong about volumes in other formats, and the options that help.

    Args:
        root: The folder that is read.
        not_read: What `volumes_not_read` returned.
        volumes: Files that are read, which the options have to leave.
    """
    patterns = [PurePosixPath(not_read[0]).name]
    if len(not_read) > 1:
        patterns = distinct_patterns(not_read, volumes)
    return (
        f"{len(not_read)} files in {root} seem to be volumes in formats that are not read: "
        f"{first_few(not_read)}. Convert them to .nii.gz or .mha (for example with dcm2niix or "
        f"SimpleITK), or leave them out with ignore "
        f"({ignore_options(patterns)})."
    )


def _is_dicom(file: Path) -> bool:
    position, signature = DICOM
    try:
        with file.open("rb") as stream:
            return stream.read(position + len(signature))[position:] == signature
    except OSError:
        return False


def is_volume(path: Path) -> bool:
    """Return whether a path, relative to the folder that is read, is a visible volume file.

    Example:
        >>> is_volume(Path("p7/flair.nii.gz")), is_volume(Path("p7/._flair.nii.gz"))
        (True, False)
    """
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return bool(suffix_of(path)) and not hidden


def role_of(name: str, case: str = "") -> str:
    """Return the role of a file: "label", "mask", "unclear" (a mask of what?) or a modality.

    Args:
        name: File name without suffix, or the column of a table.
        case: Name of the case's folder.

    Example:
        >>> role_of("BraTS19_1_t1ce", case="BraTS19_1"), role_of("OTMultiClass"), role_of("adc")
        ('T1c', 'label', 'adc')
    """
    without_case = re.sub(rf"^{re.escape(case)}[\W_]+", "", name)
    words = f"_{re.sub(r'[^a-z0-9]+', '_', without_case.lower())}_"
    for role, pattern in ROLES:
        if re.search(f"_({pattern})_", words):
            return role
    return without_case
