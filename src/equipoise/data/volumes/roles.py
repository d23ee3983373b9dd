"""What a volume file is (a modality, the label map, the brain mask), told by its name.

A name is cut into words at everything that is no letter or digit; the name of the case's folder, where a file
repeats it, is left away first. The first line of `ROLES` that is found decides; capitals do not matter:

    label   seg, segmentation, label, labels, truth, gt, OT, OTMultiClass, ground truth, tumor mask
    mask    brainmask, brain mask, covered, coverage, bet mask, bet (if no modality is named)
    FLAIR   flair, t2f, t2flair        T1c  t1c, t1ce, t1gd, t1-gd, t1post
    T1      t1, t1n, t1w               T2   t2, t2w

Anything else is a modality of its own name.
"""

import re
from pathlib import Path

from equipoise.data.volumes.file import suffix_of

LABEL = "label"
MASK = "mask"
UNCLEAR = "unclear"  # a mask of what?
ROLES = (
    (
        LABEL,
        r"seg|segmentation|labels?|truth|gt|ot|otmulticlass|ground_?truth|(tumou?r|lesion)_?mask|mask_of_tumou?r",
    ),
    (MASK, r"brain_?mask|covered|coverage|bet_?mask"),
    (UNCLEAR, r"mask"),
    ("FLAIR", r"flair|t2_?f|t2_?flair"),
    ("T1c", r"t1_?(c|ce|gd|post)"),
    ("T1", r"t1[nw]?"),
    ("T2", r"t2w?"),
    (MASK, r"bet"),
)


def is_volume(path: Path) -> bool:
    """Tell volumes from other files and from those of systems (._scan.nii), by the path below the folder read."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return bool(suffix_of(path)) and not hidden


def role_of(name: str, case: str = "") -> str:
    """Say what a file of a case is: "label", "mask", "unclear" (a mask of what?) or the name of a modality.

    Args:
        name: File name without suffix, or the column of a table.
        case: Name of the case's folder.
    """
    own = re.sub(rf"^{re.escape(case)}[\W_]+", "", name)
    words = f"_{re.sub(r'[^a-z0-9]+', '_', own.lower())}_"
    return next((role for role, pattern in ROLES if re.search(f"_({pattern})_", words)), own)
