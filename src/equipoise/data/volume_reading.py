"""Volumes on disk to a dataset, by the reader that knows how they lie there."""

from pathlib import Path

from equipoise.data import volume_readers
from equipoise.data.volume_source import LoadedVolumes, VolumeOptions
from equipoise.discovery import modules
from equipoise.exceptions import DataError


def read_volumes(path: Path | str, options: VolumeOptions | None = None) -> LoadedVolumes:
    """Read labeled cases with the first reader that recognizes them.

    Args:
        path: A folder of case folders, one case folder, or a CSV table of cases.
        options: How to read; the defaults if None.

    Raises:
        DataError: There is nothing at `path`, no reader recognizes it, or what is there is not as expected.
    """
    path, options = Path(path).expanduser(), options or VolumeOptions()
    family = modules(volume_readers)
    for reader in family.values():
        if reader.recognizes(path, options):
            loaded: LoadedVolumes = reader.read(path, options)
            return loaded
    known = "; ".join(f"{reader.CARD.name}: {reader.CARD.summary}" for reader in family.values())
    if not path.exists():
        raise DataError(f"Expected volumes at {path}, found nothing there. Check the path. Readers: {known}")
    raise DataError(f"No reader recognizes volumes in {path}. Give one of these: {known}")
