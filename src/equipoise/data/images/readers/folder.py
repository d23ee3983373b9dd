"""Read a folder with one folder per class, optionally below train, validation and test folders."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from equipoise.data.images.class_folders import folder_faults
from equipoise.data.images.companions import words_of
from equipoise.data.images.image_folder import (
    ImageFolder,
    by_suffix,
    examine_image_folder,
    is_image,
)
from equipoise.data.images.listing import (
    ListedImage,
    Listing,
    find_patients,
    first_few,
    list_images,
    split_of,
)
from equipoise.data.images.loading import load
from equipoise.data.images.options import Loaded, ReaderCard, ReadOptions
from equipoise.data.images.outline import pixel_faults
from equipoise.data.images.patient_names import suggest_groups
from equipoise.data.images.tables_beside import describe_tables
from equipoise.data.walking import SYSTEM_NAMES, ignore_hint, ignore_options, is_ignored
from equipoise.exceptions import DataError, ListingError
from equipoise.names import first_names, quoted
from equipoise.validation import refuse_together

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

    Images may be deeper in a class folder. What is left out is counted in notes. If the first level
    is train, val (valid, validation, dev) and test, in any case, or if all class folders are
    divided into such folders, they become the source's split.

    Raises:
        DataError: No class folders, an empty one, fewer than two classes, a class that is too small
            or has no training image, files without a patient, or files that cannot be decoded; or
            see `equipoise.data.images.image_folder.read_image_folder`.
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
    folder = examine_image_folder(path, options, classes=True)
    if folder.problems and not folder.listable:
        damage = pixel_faults(path, folder.files, options)
        raise DataError("\n".join([*folder.problems, *damage]))
    tables = describe_tables(path, folder)
    sentences = [table.sentence for table in tables]
    # As if the user had left the companions out, and converted what is not read.
    everything = replace(folder, files=tuple(sorted((*folder.files, *folder.not_read))))
    without = replace(options, ignore=(*options.ignore, *folder.patterns))
    lines = list(folder.problems)
    class_names: tuple[str, ...] = ()
    class_of: Mapping[str, str] | None = None
    try:
        listing = _list_classes(path, everything, without, sentences)
        class_names, class_of = listing.class_names, listing.class_of
    except DataError as error:
        if isinstance(error, ListingError):
            class_names, class_of = error.class_names, error.class_of
        if any(table.has_labels for table in tables):
            lines.append(f"{path}: the classes seem to be in a table, not in folders.")
            lines += [*sentences, f"As class folders: {error}"]
        else:
            lines += [str(error), *sentences]
    if lines:
        lines += pixel_faults(path, folder.files, options, class_of)
        raise ListingError("\n".join(lines), class_names)
    return listing


def _list_classes(
    path: Path, folder: ImageFolder, options: ReadOptions, tables: Sequence[str]
) -> Listing:
    """List the images in class folders."""
    notes = [*folder.notes, *tables]
    split_of_folder = _class_folders(path, folder.files, options)
    n_levels = len(PurePosixPath(next(iter(split_of_folder))).parts)
    images_of: dict[str, list[str]] = {class_folder: [] for class_folder in split_of_folder}
    unclassed: list[str] = []
    for file in folder.files:
        class_folder = "/".join(file.split("/")[:n_levels])
        images_of.get(class_folder, unclassed).append(file)
    if unclassed:
        notes.append(
            f"Left out, images in no class folder ({len(unclassed):,}): {first_names(unclassed)}."
        )
    empty = [name for name, inside in images_of.items() if not inside]
    _refuse_empty(path, empty, folder, len(images_of))
    files: list[str] = []
    class_folders: list[str] = []
    inner_paths: list[str] = []
    for class_folder, inside in images_of.items():
        files += inside
        class_folders += [class_folder] * len(inside)
        inner_paths += [file.removeprefix(f"{class_folder}/") for file in inside]
    patients, problems = [""] * len(files), list[str]()
    if options.groups:
        patients, problems = find_patients(inner_paths, options.groups)
    splits = [split_of_folder[class_folder] for class_folder in class_folders]
    if not any(splits):
        splits, note = _inner_splits(files, inner_paths)
        notes += note
    images = []
    for file, class_folder, split, patient in zip(
        files, class_folders, splits, patients, strict=True
    ):
        label = class_folder.rpartition("/")[2]
        images.append(ListedImage(file=file, label=label, patient=patient, split=split))
    notes += [] if options.groups else suggest_groups(inner_paths, len(images_of))
    return list_images(path, images, notes, problems=problems)


def _refuse_empty(root: Path, names: Sequence[str], folder: ImageFolder, n_classes: int) -> None:
    """Check that no class folder of `n_classes` is without images."""
    if not names:
        return
    contents = []
    for name in names:
        files = [file for file in folder.other_files if file.startswith(f"{name}/")]
        suffixes = sorted({PurePosixPath(file).suffix or "files without one" for file in files})
        contents.append(f"{name} ({', '.join(suffixes)})" if suffixes else name)
    options = ignore_options(PurePosixPath(name).name for name in names)
    fix = f"Add images, or leave these folders out with ignore ({options})."
    if n_classes == len(names):  # nothing would be left
        fix = "Convert the files there to such images, with one of these endings, or give another "
        fix += "folder. Volumes are read with --task segmentation."
    raise DataError(
        f"Expected images (PNG, JPEG, BMP or TIFF) in every class folder of {root}, found none in "
        f"{first_few(contents)}. {fix}"
    )


def _class_folders(root: Path, files: Sequence[str], options: ReadOptions) -> dict[str, str]:
    """Return class folder, relative to the root, -> split of the folder above it ("" for none)."""
    names = _subfolders(root, options)
    splits = {name: split_of(name) for name in names if split_of(name)}
    if not splits:
        _refuse_parts_as_classes(root, names)
        refuse_together(root, folder_faults(root, names, files))
        return dict.fromkeys(_classes_in(root, names), "")
    if len(splits) < len(names):
        class_folders = [name for name in names if name not in splits]
        raise DataError(
            f"Expected in {root} either class folders or train, val and test folders, got both: "
            f"{first_few(names)}. Leave some out with {ignore_hint(class_folders)}, or rename the "
            "class that is called like a split."
        )
    if "train" not in splits.values():
        raise DataError(
            f"Expected a train folder in {root}, got {first_few(names)}. "
            "Rename the folder of training images."
        )
    split_of_folder = {}
    for name, split in splits.items():
        class_names = _subfolders(root / name, options)
        inside = [file.removeprefix(f"{name}/") for file in files if file.startswith(f"{name}/")]
        refuse_together(root / name, folder_faults(root / name, class_names, inside))
        for class_name in _classes_in(root / name, class_names, part=True):
            split_of_folder[f"{name}/{class_name}"] = split
    return split_of_folder


def _classes_in(parent: Path, names: Sequence[str], *, part: bool = False) -> Sequence[str]:
    """Return the names of class folders, after a check that there are some."""
    if names:
        return names
    files = []
    for path in sorted(parent.iterdir()):
        if path.is_file() and not SYSTEM_NAMES.fullmatch(path.name):
            files.append(path.name)
    n_images = sum(map(is_image, files))
    remedy = ""
    if part:
        remedy = (
            f" If '{parent.name}' is a part without labels, leave it out with ignore "
            f"({ignore_options([parent.name])})."
        )
    elif archives := [name for name in files if name.endswith(".npz")]:
        remedy = f" A MedMNIST file is given by its own path, such as {parent / archives[0]}."
    elif files and not n_images:
        remedy = f" Its files ({by_suffix(files)}) cannot be read: convert them to images."
    raise DataError(
        f"Expected a class folder for each class in {parent}, found none ({n_images} images "
        "are directly in it). Sort the images into one folder per class, or list them with "
        f"their labels in a table (--table FILE.csv).{remedy}"
    )


def _refuse_parts_as_classes(root: Path, names: Sequence[str]) -> None:
    """Refuse folders that all have the word of a split in their name, such as seg_train."""
    parts = set()
    for name in names:
        parts_in_name = {split_of(word) for word in words_of(name).split("_")} - {""}
        if not parts_in_name:
            return
        parts |= parts_in_name
    if "train" in parts and len(names) > 1:
        raise DataError(
            f"The folders in {root} seem to be parts of a split, not classes: {first_few(names)}. "
            "Rename them to train, val and test, or rename the classes."
        )


def _inner_splits(files: Sequence[str], inner: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the split of each image by a folder below its class folder, and what to say of it.

    Args:
        files: Paths of the images from the root.
        inner: Their paths from their class folders.
    """
    splits: list[str] = []
    levels: set[int] = set()
    without = []
    for file, path in zip(files, inner, strict=True):
        parts = list(map(split_of, path.split("/")[:-1]))
        named = [level for level, part in enumerate(parts) if part]
        levels.update(named)
        splits.append(parts[named[0]] if named else "")
        if len(named) != 1:
            without.append(file)
    if not levels:
        return splits, []
    if not without and len(levels) == 1 and "train" in splits:
        return splits, []
    example = without[0] if without else files[0]
    note = (
        "Class folders are divided into parts of a split (such as train), and this split is not "
        f"used: not every image is in one such folder, or none is for training "
        f"({quoted(example)})."
    )
    return [""] * len(files), [note]


def _subfolders(folder: Path, options: ReadOptions) -> list[str]:
    """Return the names of the folders in a folder, without hidden and ignored ones."""
    names = []
    for path in sorted(folder.iterdir()):
        is_hidden = SYSTEM_NAMES.fullmatch(path.name)
        if path.is_dir() and not is_hidden and not is_ignored(path.name, options.ignore):
            names.append(path.name)
    return names
