"""Patients that the names of files seem to contain, where nobody says where they are."""

import re
from collections.abc import Sequence

# What may name a patient: the folder of a file, and its name up to its first or last separator.
PATTERNS = (r"([^/]+)/[^/]+$", r"([^/_-]+)[_-][^/]*$", r"([^/]+)[_-][^/_-]*$")
ABOVE = r"([^/]+)/[^/]+/[^/]+$"  # patient/view/1.png, if there are several of them
MOST_DIFFERENT = 0.8  # of the images: fewer names than images, or they are no patients of several


def suggest_groups(paths: Sequence[str], n_classes: int) -> list[str]:
    """Return a note on how `groups` would find patients in paths, none where nothing repeats.

    Args:
        paths: Where `groups` is searched.
        n_classes: Number of classes; a part of the paths that has few values is no patient.

    Example:
        >>> paths = [f"p{i}_{view}.png" for i in range(9) for view in ("left", "right")]
        >>> (note,) = suggest_groups(paths, 2)
        >>> note.startswith("The 18 paths have 9 different parts")
        True
    """
    for pattern in (ABOVE, *PATTERNS):
        matches = [re.search(pattern, path) for path in paths]
        parts = {match[1] for match in matches if match is not None}
        if None in matches or not 2 * n_classes < len(parts) <= MOST_DIFFERENT * len(paths):
            continue
        return [
            f"The {len(paths):,} paths have {len(parts):,} different parts that may be patients: "
            f"if they are, use groups (--groups '{pattern}')."
        ]
    return []
