"""Where a command writes, checked before it reads anything."""

import os
from pathlib import Path

from equipoise.exceptions import SettingError


def check_out(out: Path, *sources: str | Path | None) -> None:
    """Check that a folder can be written, and does not lie in one of the folders that are read.

    Nothing is created.

    Args:
        out: The folder, which need not exist.
        sources: What is read; only folders count.

    Raises:
        SettingError: A file is in the way, the folder cannot be written, or what is written there
            would be read next time.
    """
    for source in sources:
        if source is None or not Path(source).is_dir():
            continue
        if out.resolve().is_relative_to(Path(source).resolve()):
            raise SettingError(
                f"{out} lies in {source}, whose files are read: what is written there would be "
                "read next time. Name a folder elsewhere with --out."
            )
    place = out.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise SettingError(
            f"Cannot write {out}: {place} is no folder. Name another one with --out."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise SettingError(
            f"Cannot write {out}: no permission to write into {place}. Change its permissions, or "
            "name another folder with --out."
        )
