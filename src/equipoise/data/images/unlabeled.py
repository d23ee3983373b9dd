"""Read images without labels: a folder of any depth, or one file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.image_folder import read_image_folder
from equipoise.data.images.listing import Listing, find_patients, split_of
from equipoise.data.images.loading import decode_all, unreadable_error
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError
from equipoise.validation import refuse_together

SINGLE_CLASS = "images"  # name of the class if there are no class folders


@dataclass(frozen=True, kw_only=True, eq=False)
class UnlabeledImages:
    """Images without labels, as they were read.

    Attributes:
        files: n paths relative to the folder, with "/", sorted.
        images: (n, c, h, w) in storage type.
        skipped: "file: reason" for each file that could not be decoded, with on_error="skip".
        notes: Sentences for the user: what was left out and converted.
    """

    files: tuple[str, ...]
    images: Images
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def read_unlabeled(path: Path | str, options: ReadOptions) -> UnlabeledImages:
    """Read every image below a folder, whatever its folders are called, or one file.

    Args:
        path: The folder or file.
        options: Size, fit, filter, channels, ignore, follow_links, on_error, workers and progress
            are used; "auto" channels are rgb as soon as one file has color.

    Raises:
        DataError: There are no images, or they cannot be decoded; or see
            `equipoise.data.images.loading.load` and
            `equipoise.data.images.image_folder.read_image_folder`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(3):
        ...         Image.new("L", (20, 30), i).save(Path(folder, f"{i}.png"))
        ...     unlabeled = read_unlabeled(folder, ReadOptions(size=16))
        >>> unlabeled.files, unlabeled.images.shape
        (('0.png', '1.png', '2.png'), (3, 1, 16, 16))

    See Also:
        equipoise.data.reading.read: For labeled images.
        read_collection: For images in class folders that nothing is trained on.
    """
    path = Path(path).expanduser()
    root = path
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if path.is_file():
        root, files = path.parent, (path.name,)
    elif path.is_dir():
        folder = read_image_folder(path, options)
        files, notes = folder.files, folder.notes
    if not files:
        raise DataError(
            f"Expected images (PNG, JPEG, BMP or TIFF) in {path}, found none. Check the path."
        )
    listing = Listing(
        root=root,
        files=files,
        labels=np.zeros(len(files), dtype=np.int64),  # labels, class and groups are not used
        class_names=("",),
        groups=np.arange(len(files), dtype=np.int64),
        splits=None,
        notes=(),
    )
    decoded = decode_all(listing, options)
    unreadable = decoded.unreadable
    if unreadable and (options.on_error == "stop" or not len(decoded.images)):
        raise unreadable_error(unreadable, len(files), root)
    return UnlabeledImages(
        files=tuple(file for file in files if file not in unreadable),
        images=decoded.images,
        skipped=tuple(map(": ".join, unreadable.items())),
        notes=(*notes, *decoded.notes),
    )


def read_collection(path: Path | str, options: ReadOptions) -> Loaded:
    """Read images that nothing is trained on, so that a class of one image is enough.

    In a folder the first level names the classes, or the second if the first is train, val and
    test; images directly in the folder are one class. Everything else is read by
    `equipoise.data.reading.read`.

    Args:
        path: A folder, or anything that `read` accepts.
        options: How to read.

    Raises:
        DataError: There are no images, some are in class folders and some beside them, or they
            cannot be decoded.
        SettingError: A column was named, and there is no table.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "cyst").mkdir()
        ...     Image.new("L", (16, 16)).save(Path(folder, "cyst", "0.png"))
        ...     dataset = read_collection(folder, ReadOptions()).dataset
        >>> dataset.class_names
        ('cyst',)
    """
    path = Path(path).expanduser()
    if not path.is_dir() or options.table is not None:
        return read(path, options)
    options.refuse_columns("folder")
    unlabeled = read_unlabeled(path, options)
    names: list[str] = []
    splits: list[str] = []
    n_in_folders = 0
    for file in unlabeled.files:
        folders = Path(file).parts[:-1]
        split = split_of(folders[0]) if folders else ""
        class_folders = folders[1:] if split else folders
        n_in_folders += bool(class_folders)
        names.append(class_folders[0] if class_folders else SINGLE_CLASS)
        splits.append(split)
    if 0 < n_in_folders < len(names):
        raise DataError(
            f"Expected in {path} either class folders or images, got both: {n_in_folders:,} "
            f"images in folders, {len(names) - n_in_folders:,} in none. Sort all images into class "
            "folders, or leave some out with ignore (--ignore PATTERN)."
        )
    class_names, labels = np.unique(names, return_inverse=True)
    patients: Sequence[str] = unlabeled.files
    if options.groups:
        patients, faults = find_patients(unlabeled.files, options.groups)
        refuse_together(path, faults)
    dataset = ImageDataset(
        images=unlabeled.images,
        labels=labels.astype(np.int64),
        class_names=tuple(class_names.tolist()),
        groups=np.unique(patients, return_inverse=True)[1].astype(np.int64),
        ids=np.array(unlabeled.files),
    )
    return Loaded(
        dataset=dataset,
        source_split=np.array(splits) if any(splits) else None,
        skipped=unlabeled.skipped,
        notes=unlabeled.notes,
    )


def in_classes_of(dataset: ImageDataset, reference: ImageDataset, *, name: str) -> ImageDataset:
    """Return a dataset with its classes numbered as in a reference dataset.

    If both have one class, the names of the classes do not matter.

    Args:
        dataset: The dataset to renumber.
        reference: Its class names become those of the result.
        name: What the images of `dataset` are, for the error message.

    Raises:
        DataError: The dataset has a class that the reference does not have.
    """
    class_names = reference.class_names
    if len(class_names) == len(dataset.class_names) == 1:
        return replace(dataset, class_names=class_names)
    if dataset.class_names == (SINGLE_CLASS,):
        raise DataError(
            f"Expected the {name} images in a folder for each class of the real ones "
            f"({', '.join(class_names)}), got {len(dataset):,} images in no class folder. Sort "
            "them into folders of these names."
        )
    if unexpected := sorted(set(dataset.class_names) - set(class_names)):
        raise DataError(
            f"Expected the {name} images in the classes of the real ones "
            f"({', '.join(class_names)}), got also {', '.join(unexpected)}. "
            "Give their folders the same names."
        )
    codes = np.array(list(map(class_names.index, dataset.class_names)))  # old label -> new label
    return replace(dataset, class_names=class_names, labels=codes[dataset.labels])
