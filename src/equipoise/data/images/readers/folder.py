"""One folder per class, also below train, validation and test folders."""

from pathlib import Path

from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.listing import SPLIT_NAMES, Row, find_patients, first_few, list_rows
from equipoise.data.images.loading import load
from equipoise.data.images.options import Card, Loaded, ReadOptions
from equipoise.exceptions import DataError

CARD = Card(
    name="folder",
    summary="a folder with one folder per class, also below train, val and test folders",
    example=r"equipoise run films/ --groups '(patient\d+)'",
)


def recognizes(path: Path, options: ReadOptions) -> bool:
    """Take any folder that no table describes."""
    return path.is_dir() and options.table is None


def read(path: Path, options: ReadOptions) -> Loaded:
    """Read class folders; the names of the folders are the classes, in alphabetical order.

    Images may lie deeper in a class folder. Hidden files, and files that are no images by their suffix, are left
    out and counted in a note. Where the first level is train, val (valid, validation, dev) and test, in any case,
    it becomes the source's split.

    Raises:
        DataError: No class folders, an empty one, fewer than two classes, a class that is too small or has no
            training image, files without a patient, or files that cannot be decoded.
        SettingError: A column of a table was named.
    """
    options.refuse_columns(CARD.name)
    found = [
        (folder, file, split)
        for parent, split in _parts(path).items()
        for folder in _class_folders(parent)
        for file in _images_in(folder)
    ]
    inner = [file.relative_to(folder).as_posix() for folder, file, _ in found]
    patients = find_patients(inner, options.groups) if options.groups else [""] * len(found)
    rows = [
        Row(file=file.relative_to(path).as_posix(), label=folder.name, patient=patient, split=split)
        for (folder, file, split), patient in zip(found, patients, strict=True)
    ]
    return load(list_rows(path, rows, _left_out(path, rows)), options)


def _parts(root: Path) -> dict[Path, str]:
    """Find the folders above the class folders and the split that each stands for ("" for the root itself)."""
    folders = _subfolders(root)
    parts = {
        folder: SPLIT_NAMES[folder.name.lower()]
        for folder in folders
        if folder.name.lower() in SPLIT_NAMES
    }
    if not parts:
        return {root: ""}
    names = first_few([folder.name for folder in folders])
    if len(parts) < len(folders):
        raise DataError(
            f"Expected in {root} either class folders or train, val and test folders, got both: {names}. "
            "Move the others away, or rename the class that is called like a split."
        )
    if "train" not in parts.values():
        raise DataError(
            f"Expected a train folder in {root}, got {names}. Rename the folder of training images."
        )
    return parts


def _class_folders(parent: Path) -> list[Path]:
    if folders := _subfolders(parent):
        return folders
    n_images = sum(is_image(Path(file.name)) for file in parent.iterdir())
    raise DataError(
        f"Expected a class folder for each class in {parent}, found none ({n_images} images lie there directly). "
        "Sort the images into one folder per class, or list them with their labels in a table (--table FILE.csv)."
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_visible(path.name))


def _images_in(folder: Path) -> list[Path]:
    files = [
        file for file in folder.rglob("*") if file.is_file() and is_image(file.relative_to(folder))
    ]
    if not files:
        raise DataError(
            f"Expected images (PNG, JPEG, BMP or TIFF) in the class folder {folder}, found none. "
            "Remove the folder, or put its images in."
        )
    return files


def _left_out(root: Path, rows: list[Row]) -> tuple[str, ...]:
    taken = {row.file for row in rows}
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    others = [file for file in files if file not in taken]
    return (
        (f"Files left out, not images in a class folder ({len(others)}): {first_few(others)}.",)
        if others
        else ()
    )


def is_image(file: Path) -> bool:
    """Tell images from other files, and from those of systems, by the path inside the folder that is read."""
    return file.suffix.lower() in SUFFIXES and all(_is_visible(part) for part in file.parts)


def _is_visible(name: str) -> bool:
    """Tell files of people from files of systems (.DS_Store, ._film.png, __MACOSX)."""
    return not name.startswith((".", "__MACOSX"))
