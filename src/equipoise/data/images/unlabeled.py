"""New images without classes: a folder of any depth, or one file."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.listing import SPLIT_NAMES, Listing, find_patients, first_few
from equipoise.data.images.loading import decode_all
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.images.readers.folder import is_image
from equipoise.data.reading import read
from equipoise.exceptions import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Unlabeled:
    """Images as they were read.

    Attributes:
        files: n paths relative to the folder, with "/", sorted.
        images: (n, c, h, w) in storage type.
        skipped: "file: reason" for each file that could not be decoded, with on_error="skip".
        notes: Sentences: what was converted.
    """

    files: tuple[str, ...]
    images: Images
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def read_unlabeled(path: Path | str, options: ReadOptions) -> Unlabeled:
    """Read every image below a folder, whatever its folders are called, or one file.

    Args:
        path: The folder or file; hidden files, and files that are no images by their suffix, are left out.
        options: Size, fit, filter, channels, on_error, workers and progress count; "auto" channels are rgb as soon
            as one file has color.

    Raises:
        DataError: There are no images, or they cannot be decoded, or see `equipoise.data.images.loading.load`.
    """
    path = Path(path).expanduser()
    root, files = (path.parent, [path.name]) if path.is_file() else (path, _files(path))
    if not files:
        raise DataError(
            f"Expected images (PNG, JPEG, BMP or TIFF) in {path}, found none. Check the path."
        )
    found = decode_all(_listing(root, files), options)
    skipped = tuple(f"{file}: {reason}" for file, reason in found.unreadable.items())
    if skipped and (options.on_error == "stop" or not len(found.images)):
        raise DataError(
            f"Cannot read {len(skipped)} of {len(files)} images in {root}. {first_few(skipped)} "
            "Repair or remove them, or leave them out with on_error='skip' (--on-error skip)."
        )
    kept = tuple(file for file in files if file not in found.unreadable)
    return Unlabeled(files=kept, images=found.images, skipped=skipped, notes=found.notes)


def _files(folder: Path) -> list[str]:
    inside = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in inside if is_image(file))


def _listing(root: Path, files: list[str]) -> Listing:
    """Make the list that files are decoded from; its one class means nothing."""
    n = len(files)
    return Listing(
        root=root,
        files=tuple(files),
        labels=np.zeros(n, dtype=np.int64),
        class_names=("",),
        groups=np.arange(n, dtype=np.int64),
        splits=None,
        notes=(),
    )


ONE_CLASS = "images"  # name of the class where there are no class folders


def read_collection(path: Path | str, options: ReadOptions) -> Loaded:
    """Read images that nothing is trained on, so that a class of one image will do.

    In a folder the first level names the classes, the second where the first is train, val and test; images that
    lie in the folder itself are one class. Everything else is read by `equipoise.data.reading.read`.

    Args:
        path: A folder, or anything that `read` takes.
        options: How to read.

    Raises:
        DataError: There are no images, some lie in class folders and some beside them, or they cannot be decoded.
    """
    path = Path(path).expanduser()
    if not path.is_dir() or options.table is not None:
        return read(path, options)
    found = read_unlabeled(path, options)
    folders = [Path(file).parts[:-1] for file in found.files]
    splits = np.array(
        [SPLIT_NAMES.get(folder[0].lower(), "") if folder else "" for folder in folders]
    )
    inner = [folder[1:] if split else folder for folder, split in zip(folders, splits, strict=True)]
    names = [folder[0] if folder else ONE_CLASS for folder in inner]
    if all(inner) != any(inner):
        raise DataError(
            f"Expected in {path} either class folders or images, got both. Sort all into class folders."
        )
    class_names, labels = np.unique(names, return_inverse=True)
    patients = find_patients(found.files, options.groups) if options.groups else found.files
    dataset = ImageDataset(
        images=found.images,
        labels=labels.astype(np.int64),
        class_names=tuple(class_names.tolist()),
        groups=np.unique(patients, return_inverse=True)[1].astype(np.int64),
        ids=np.array(found.files),
    )
    return Loaded(
        dataset=dataset,
        source_split=splits if splits.any() else None,
        skipped=found.skipped,
        notes=found.notes,
    )


def in_classes_of(dataset: ImageDataset, reference: ImageDataset, *, name: str) -> ImageDataset:
    """Number the classes of a dataset as another one does; where both have one class, their names do not matter.

    Raises:
        DataError: It has a class that the other does not have.
    """
    known = reference.class_names
    if len(known) == len(dataset.class_names) == 1:
        return replace(dataset, class_names=known)
    if strange := sorted(set(dataset.class_names) - set(known)):
        raise DataError(
            f"Expected the {name} images in the classes of the real ones ({', '.join(known)}), got also "
            f"{', '.join(strange)}. Give their folders the same names."
        )
    codes = np.array([known.index(one) for one in dataset.class_names])
    return replace(dataset, class_names=known, labels=codes[dataset.labels])
