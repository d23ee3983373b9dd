"""Nothing that a run folder contains leads out of it: a run may come from someone else."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from equipoise.exceptions import DataError

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,79}")
MOST_LINKS = 5  # in a message


def unsafe_names(names: Iterable[object]) -> list[object]:
    """Return the names of methods or splits that are no names of folders.

    Example:
        >>> unsafe_names(["dcgan", "split-0", "..", "/etc", "a/b", 3])
        ['..', '/etc', 'a/b', 3]
    """
    unsafe = []
    for name in names:
        if not (isinstance(name, str) and FOLDER_NAME.fullmatch(name)):
            unsafe.append(name)
    return unsafe


def check_links(folder: Path) -> None:
    """Refuse links of a run folder that lead out of it; the folder itself may be one.

    Raises:
        DataError: There are some; names the first.
    """
    root = Path(os.path.realpath(folder))  # which raises nothing where links go in a circle
    links = []
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                links.append(path)
    if links:
        lines = [f"  {link} -> {link.readlink()}" for link in links[:MOST_LINKS]]
        if len(links) > MOST_LINKS:
            lines.append(f"  and {len(links) - MOST_LINKS} more")
        raise DataError(
            f"Expected all files of the run inside {folder}, got links that lead out of it:\n"
            + "\n".join(lines)
            + "\nPut what they lead to in their place, or delete them."
        )
