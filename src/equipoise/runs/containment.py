"""Read `study.json`, and check that nothing in a run folder leads out of it.

A run may come from someone else.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from equipoise.atomic import read_json, reading
from equipoise.checksums import damaged
from equipoise.exceptions import DataError
from equipoise.names import first_lines
from equipoise.runs.description import StudyDescription

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,79}")
FOLDERS = ("cells", "workspace", "evidence")  # of a run
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
    """Refuse links of a run folder that lead out of it or nowhere; the folder itself may be one.

    Raises:
        DataError: There are some; names the first. Or a file is in the place of a folder.
    """
    root = Path(os.path.realpath(folder))  # which raises nothing where links go in a circle
    links = []
    for place, folders, files in sorted(os.walk(folder)):
        for name in sorted([*folders, *files]):
            path = Path(place, name)
            if path.is_symlink():
                inside = Path(os.path.realpath(path)).is_relative_to(root)
                if not inside or not path.exists():
                    links.append(path)
    if links:
        lines = [f"{link} -> {link.readlink()}" for link in links]
        raise DataError(
            f"Expected all files of the run inside {folder}, got links that lead out of it or "
            "nowhere:\n"
            + first_lines(lines, MOST_LINKS)
            + "\nPut what they lead to in their place, or delete them."
        )
    for name in FOLDERS:
        if (folder / name).is_file():
            raise DataError(f"Expected a folder at {folder / name}, got a file. Delete it.")


def read_description(folder: Path) -> StudyDescription:
    """Read `study.json` of a run.

    Raises:
        DataError: The folder holds no run, or its description cannot be read.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise DataError(f"Expected the folder of a run, found no study.json in {folder}.")
    with reading(path):
        description = StudyDescription.from_json(read_json(path))
    splits = [split.name for split in description.splits]
    unsafe = unsafe_names([*description.method_names, *splits])
    unsafe += [seed for seed in description.seeds if not isinstance(seed, int)]
    if unsafe:
        raise damaged(path, f"methods, splits or seeds are called {', '.join(map(repr, unsafe))}")
    return description
