"""New images without classes: a folder of any depth, or one file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images
from equipoise.data.listing import Listing, first_few
from equipoise.data.loading import decode_all
from equipoise.data.readers.folder import is_image
from equipoise.data.source import ReadOptions
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
        DataError: There are no images, or they cannot be decoded, or see `equipoise.data.loading.load`.
    """
    path = Path(path).expanduser()
    root, files = (path.parent, [path.name]) if path.is_file() else (path, _files(path))
    if not files:
        raise DataError(f"Expected images (PNG, JPEG, BMP or TIFF) in {path}, found none. Check the path.")
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
