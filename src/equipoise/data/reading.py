"""Images on disk to a dataset, by the reader that knows how they lie there."""

from pathlib import Path

from equipoise.data import readers
from equipoise.data.source import Loaded, ReadOptions
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
        raise DataError(f"Expected images at {path}, found nothing there. Check the path. Readers: {known}")
    raise DataError(f"No reader recognizes {path}. Give one of these: {known}")
