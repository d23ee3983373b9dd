"""Read files on disk into a dataset with the reader that recognizes them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, cast, runtime_checkable

from equipoise.data.images import readers as image_readers
from equipoise.data.images.listing import Listing
from equipoise.data.images.named_files import IMAGE_SUFFIXES
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.data.images.outline import Outline, outline_of
from equipoise.data.volumes import readers as volume_readers
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.discovery import modules
from equipoise.exceptions import DataError

ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
ARRAYS = (".npy", ".h5", ".hdf5", ".mat", ".pkl", ".pt", ".pth", ".parquet", ".arrow", ".tfrecord")
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


@runtime_checkable
class ListsFiles(Protocol):
    """A reader of single image files, whose headers can be read without their pixels."""

    def list_files(self, path: Path, options: ReadOptions) -> Listing:
        """List the files that `read` reads."""


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
    options = options or ReadOptions()
    source = Path(path).expanduser()
    loaded = _reader_of(source, options).read(source, options)
    return replace(loaded, options=options)


def outline(path: Path | str, options: ReadOptions) -> Outline | None:
    """Read what is known of the images that `read` reads before their pixels are decoded.

    None where the images are no single files.

    Raises:
        ListingError: The files are not as expected; it names their classes.
        DataError: See `read`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for file in ("benign/0.png", "benign/1.png", "cancer/0.png", "cancer/1.png"):
        ...         Path(folder, file).parent.mkdir(exist_ok=True)
        ...         Image.new("L", (40, 30)).save(Path(folder, file))
        ...     outline(folder, ReadOptions()).shapes.tolist()[0]
        [1, 30, 40]
    """
    source = Path(path).expanduser()
    reader = _reader_of(source, options)
    if isinstance(reader, ListsFiles):
        return outline_of(reader.list_files(source, options), options)
    return None


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
    options = options or VolumeOptions()
    source = Path(path).expanduser()
    loaded = _volume_reader_of(source, options).read(source, options)
    return replace(loaded, options=options)


def check_presence(path: Path | str, *, volumes: bool = False) -> None:
    """Raise what `read` or `read_volumes` raises of a path with nothing there, reading nothing.

    Raises:
        DataError: There is nothing at `path`, and it is no name that a reader knows.

    Example:
        >>> check_presence(".")
    """
    source = Path(path).expanduser()
    if source.exists():
        return
    if volumes:
        _volume_reader_of(source, VolumeOptions())
    else:
        _reader_of(source, ReadOptions())


def _reader_of(path: Path, options: ReadOptions) -> Reader[ReadOptions, Loaded]:
    readers = cast("Mapping[str, Reader[ReadOptions, Loaded]]", modules(image_readers))
    return _recognizing(readers, path, options, "images")


def _volume_reader_of(path: Path, options: VolumeOptions) -> Reader[VolumeOptions, LoadedVolumes]:
    readers = cast("Mapping[str, Reader[VolumeOptions, LoadedVolumes]]", modules(volume_readers))
    return _recognizing(readers, path, options, "volumes")


def _recognizing(
    readers: Mapping[str, Reader[OptionsT_contra, LoadedT_co]],
    path: Path,
    options: OptionsT_contra,
    noun: str,
) -> Reader[OptionsT_contra, LoadedT_co]:
    """Return the first reader that recognizes what is at a path."""
    summaries = []
    for reader in readers.values():
        if reader.recognizes(path, options):
            return reader
        summaries.append(f"{reader.CARD.name}: {reader.CARD.summary}")
    available = "; ".join(summaries)
    if not path.exists():
        raise DataError(
            f"Expected {noun} at {path}, found nothing there. Check the path. Readers: {available}"
        )
    raise DataError(
        f"No reader recognizes {noun} in {path}.{_way_out(path)} Give one of these: {available}"
    )


def _way_out(path: Path) -> str:
    """Return what to do with a file that no reader recognizes, by its suffix."""
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        return " It is an archive: unpack it, and give the folder."
    if suffix in ARRAYS:
        return " Save images and labels as .npz in MedMNIST layout, or as image files."
    if suffix in IMAGE_SUFFIXES:
        return " It is one image: give the folder with all class folders."
    return ""
