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
from pathlib import Path

from equipoise.data.volumes.file import suffix_of

LABEL = "label"
MASK = "mask"
UNCLEAR = "unclear"  # a mask of what?
LABEL_WORDS = "seg|segmentation|labels?|truth|gt|ot|otmulticlass|ground_?truth"
ROLES = (
    (LABEL, rf"{LABEL_WORDS}|(tumou?r|lesion)_?mask|mask_of_tumou?r"),
    (MASK, r"brain_?mask|covered|coverage|bet_?mask"),
    (UNCLEAR, r"mask"),
    ("FLAIR", r"flair|t2_?f|t2_?flair"),
    ("T1c", r"t1_?(c|ce|gd|post)"),
    ("T1", r"t1[nw]?"),
    ("T2", r"t2w?"),
    (MASK, r"bet"),
)


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
