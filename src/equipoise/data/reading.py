"""Read files on disk into a dataset with the reader that recognizes them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, cast

from equipoise.data.images import readers as image_readers
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.data.volumes import readers as volume_readers
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.discovery import modules
from equipoise.exceptions import DataError

OptionsT_contra = TypeVar("OptionsT_contra", contravariant=True)
LoadedT_co = TypeVar("LoadedT_co", covariant=True)


class Reader(Protocol[OptionsT_contra, LoadedT_co]):
    """Interface of a reader: a module of `data.images.readers` or `data.volumes.readers`."""

    CARD: ReaderCard

    def recognizes(self, path: Path, options: OptionsT_contra) -> bool:
        """Return whether this reader can read what is at the path."""

    def read(self, path: Path, options: OptionsT_contra) -> LoadedT_co:
        """Read what is at the path.

        Raises:
            DataError: It is not as expected.
        """


def read(path: Path | str, options: ReadOptions | None = None) -> Loaded:
    """Read labeled images with the first reader that recognizes them.

    Args:
        path: A folder of class folders, a CSV table or the folder of its images, an .npz file in
            MedMNIST layout, or "medmnist:NAME"; `equipoise list readers` shows all readers.
        options: How to read; the defaults if None.

    Raises:
        DataError: There is nothing at `path`, no reader recognizes it, or it is not as expected.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> arrays = {}
        >>> for part in ("train", "val", "test"):
        ...     arrays[f"{part}_images"] = np.zeros((4, 28, 28), dtype=np.uint8)
        ...     arrays[f"{part}_labels"] = np.array([0, 0, 1, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "toy.npz"), **arrays)
        ...     loaded = read(Path(folder, "toy.npz"), ReadOptions(cache="off"))
        >>> loaded.dataset.images.shape, loaded.dataset.counts.tolist()
        ((12, 1, 28, 28), [6, 6])

    See Also:
        read_volumes: For NIfTI and MetaImage volumes with label maps.
        equipoise.data.images.unlabeled.read_unlabeled: For images without classes.
    """
    readers = cast("Mapping[str, Reader[ReadOptions, Loaded]]", modules(image_readers))
    options = options or ReadOptions()
    loaded = _read(readers, Path(path).expanduser(), options, "images")
    return replace(loaded, options=options)


def read_volumes(path: Path | str, options: VolumeOptions | None = None) -> LoadedVolumes:
    """Read labeled cases (volumes with label maps) with the first reader that recognizes them.

    Args:
        path: A folder of case folders, one case folder, or a CSV table of cases.
        options: How to read; the defaults if None.

    Raises:
        DataError: There is nothing at `path`, no reader recognizes it, or it is not as expected.

    Example:
        >>> import tempfile
        >>> from equipoise.data.phantoms.brains import write_brains
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     brains = write_brains(Path(folder, "brains"), 3, side=16, depth=8)
        ...     loaded = read_volumes(brains, VolumeOptions(cache=Path(folder, "cache")))
        >>> loaded.dataset.ids.tolist()
        ['patient-000', 'patient-001', 'patient-002']
        >>> loaded.dataset.modalities
        ('FLAIR', 'T1', 'T1c', 'T2')

    See Also:
        read: For two-dimensional images with one label each.
    """
    readers = cast("Mapping[str, Reader[VolumeOptions, LoadedVolumes]]", modules(volume_readers))
    options = options or VolumeOptions()
    loaded = _read(readers, Path(path).expanduser(), options, "volumes")
    return replace(loaded, options=options)


def _read(
    readers: Mapping[str, Reader[OptionsT_contra, LoadedT_co]],
    path: Path,
    options: OptionsT_contra,
    noun: str,
) -> LoadedT_co:
    summaries = []
    for reader in readers.values():
        if reader.recognizes(path, options):
            return reader.read(path, options)
        summaries.append(f"{reader.CARD.name}: {reader.CARD.summary}")
    available = "; ".join(summaries)
    if not path.exists():
        raise DataError(
            f"Expected {noun} at {path}, found nothing there. Check the path. Readers: {available}"
        )
    raise DataError(f"No reader recognizes {noun} in {path}. Give one of these: {available}")
