"""Read a folder with one folder per class, optionally below train, validation and test folders."""

from pathlib import Path

from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.listing import (
    SPLIT_NAMES,
    ListedImage,
    Listing,
    find_patients,
    first_few,
    list_images,
)
from equipoise.data.images.loading import load
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.exceptions import DataError

CARD = ReaderCard(
    name="folder",
    summary="a folder with one folder per class, also below train, val and test folders",
    example=r"equipoise run films/ --groups '(patient\d+)'",
)


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Return whether the path is a folder that no table describes."""
    return path.is_dir() and options.table is None


def read(path: Path, options: ReadOptions) -> Loaded:
    """Read class folders; the names of the folders are the classes, in alphabetical order.

    Images may be deeper in a class folder. Hidden files, and files that are not images by their
    suffix, are left out and counted in a note. If the first level is train, val (valid, validation,
    dev) and test, in any case, it becomes the source's split.

    Raises:
        DataError: No class folders, an empty one, fewer than two classes, a class that is too small
            or has no training image, files without a patient, or files that cannot be decoded.
        SettingError: A column of a table was named.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for file in ("benign/0.png", "benign/1.png", "cancer/0.png", "cancer/1.png"):
        ...         Path(folder, file).parent.mkdir(exist_ok=True)
        ...         Image.new("L", (16, 16)).save(Path(folder, file))
        ...     dataset = read(Path(folder), ReadOptions(cache="off")).dataset
        >>> dataset.class_names, dataset.labels.tolist()
        (('benign', 'cancer'), [0, 0, 1, 1])

    See Also:
        equipoise.data.images.readers.table.read: For files whose folders are not their classes.
    """
    return load(list_files(path, options), options)


def list_files(path: Path, options: ReadOptions) -> Listing:
    """List the files that `read` reads.

    Raises:
        DataError: See `read`.
        SettingError: A column of a table was named.
    """
    options.refuse_columns(CARD.name)
    files: list[Path] = []
    class_folders: list[Path] = []
    splits: list[str] = []
    for parent, split in _split_folders(path).items():
        for class_folder, inside in _images_by_class(parent).items():
            files += inside
            class_folders += [class_folder] * len(inside)
            splits += [split] * len(inside)
    inner_paths = [
        file.relative_to(class_folder).as_posix()
        for file, class_folder in zip(files, class_folders, strict=True)
    ]
    patients = find_patients(inner_paths, options.groups) if options.groups else [""] * len(files)
    images = []
    for file, class_folder, split, patient in zip(
        files, class_folders, splits, patients, strict=True
    ):
        relative = file.relative_to(path).as_posix()
        images.append(
            ListedImage(file=relative, label=class_folder.name, patient=patient, split=split)
        )
    left_out = []
    for file in set(path.rglob("*")).difference(files):
        if file.is_file():
            left_out.append(file.relative_to(path).as_posix())
    left_out.sort()
    note = f"Files left out, not images in a class folder ({len(left_out)}): {first_few(left_out)}."
    return list_images(path, images, (note,) if left_out else ())


def is_image(file: Path) -> bool:
    """Return whether a path, relative to the folder that is read, is a visible image file."""
    return file.suffix.lower() in SUFFIXES and all(map(_is_visible, file.parts))


def _split_folders(root: Path) -> dict[Path, str]:
    """Return the folders above the class folders -> their split ("" for the root itself)."""
    folders = _subfolders(root)
    splits: dict[Path, str] = {}
    for folder in folders:
        if folder.name.lower() in SPLIT_NAMES:
            splits[folder] = SPLIT_NAMES[folder.name.lower()]
    if not splits:
        return {root: ""}
    names = first_few([folder.name for folder in folders])
    if len(splits) < len(folders):
        raise DataError(
            f"Expected in {root} either class folders or train, val and test folders, got both: "
            f"{names}. Move the others away, or rename the class that is called like a split."
        )
    if "train" not in splits.values():
        raise DataError(
            f"Expected a train folder in {root}, got {names}. Rename the folder of training images."
        )
    return splits


def _images_by_class(parent: Path) -> dict[Path, list[Path]]:
    """Return class folder -> its images."""
    images: dict[Path, list[Path]] = {}
    for class_folder in _subfolders(parent):
        images[class_folder] = []
        for file in class_folder.rglob("*"):
            if file.is_file() and is_image(file.relative_to(class_folder)):
                images[class_folder].append(file)
        if not images[class_folder]:
            raise DataError(
                f"Expected images (PNG, JPEG, BMP or TIFF) in the class folder {class_folder}, "
                "found none. Remove the folder, or add its images."
            )
    if not images:
        n_images = sum(is_image(Path(file.name)) for file in parent.iterdir())
        raise DataError(
            f"Expected a class folder for each class in {parent}, found none ({n_images} images "
            "are directly in it). Sort the images into one folder per class, or list them with "
            "their labels in a table (--table FILE.csv)."
        )
    return images


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_visible(path.name))


def _is_visible(name: str) -> bool:
    """Return False for hidden and system names (.DS_Store, ._a.png, __MACOSX)."""
    return not name.startswith((".", "__MACOSX"))
