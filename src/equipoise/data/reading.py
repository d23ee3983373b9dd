"""Images on disk to a dataset, by the reader that knows how they lie there."""

from pathlib import Path

from equipoise.data.images import readers
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.volumes import readers as volume_readers
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.discovery import modules
from equipoise.exceptions import DataError


def read(path: Path | str, options: ReadOptions | None = None) -> Loaded:
    """Read a source of labeled images with the first reader that recognizes it.

    Args:
        path: A folder of class folders, a CSV table or the folder of its images, an .npz in MedMNIST layout, or
            "medmnist:NAME"; `equipoise list readers` shows all.
        options: How to read; the defaults if None.

    Raises:
        DataError: There is nothing at `path`, no reader recognizes it, or what is there is not as expected.
    """
    path, options = Path(path).expanduser(), options or ReadOptions()
    family = modules(readers)
    for reader in family.values():
        if reader.recognizes(path, options):
            loaded: Loaded = reader.read(path, options)
            return loaded
    known = "; ".join(f"{reader.CARD.name}: {reader.CARD.summary}" for reader in family.values())
    if not path.exists():
        raise DataError(
            f"Expected images at {path}, found nothing there. Check the path. Readers: {known}"
        )
    raise DataError(f"No reader recognizes {path}. Give one of these: {known}")


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
        raise DataError(
            f"Expected volumes at {path}, found nothing there. Check the path. Readers: {known}"
        )
    raise DataError(f"No reader recognizes volumes in {path}. Give one of these: {known}")
