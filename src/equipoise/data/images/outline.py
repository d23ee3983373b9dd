"""What can be known of images before their pixels are decoded, and what is wrong with them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.data.images.conversion import agree
from equipoise.data.images.decoding import decode_with_header
from equipoise.data.images.file import Header, UnreadableError, quiet, read_header
from equipoise.data.images.label_images import class_problems, looks_like_labels
from equipoise.data.images.listing import Listing
from equipoise.data.images.loading import attempt, unreadable_error
from equipoise.data.images.options import SIDES, ReadOptions
from equipoise.exceptions import DataError

# The most files, and the most bytes, that are decoded to complete a refusal.
MOST_TRIED = 2000
MOST_BYTES = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """The images of a listing, from their headers.

    Attributes:
        listing: The files.
        shapes: (m, 3) channels, height and width of those with a readable header.
        faults: Why they cannot be read together, a sentence each; damaged files are not among them.
        unreadable: File -> reason, of those whose header cannot be read.
    """

    listing: Listing
    shapes: NDArray[np.int64]
    faults: tuple[str, ...]
    unreadable: Mapping[str, str]


def outline_of(listing: Listing, options: ReadOptions) -> Outline:
    """Read the headers of the files of a listing.

    Raises:
        DataError: No file has one.
    """
    headers: dict[str, Header] = {}
    unreadable: dict[str, str] = {}
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        paths = list(map(listing.root.joinpath, listing.files))
        outcomes = pool.map(partial(attempt, read_header), paths)
        for file, header in zip(listing.files, outcomes, strict=True):
            if isinstance(header, UnreadableError):
                unreadable[file] = header.reason
            else:
                headers[file] = header
    if not headers:
        raise unreadable_error(unreadable, len(listing.files), listing.root)
    faults = []
    try:
        agree(headers, replace(options, size=options.size or SIDES[0]))  # sizes are no fault yet
    except DataError as error:
        faults.append(str(error))
    shapes = [(header.channels, header.height, header.width) for header in headers.values()]
    return Outline(
        listing=listing,
        shapes=np.array(shapes, dtype=np.int64),
        faults=tuple(faults),
        unreadable=unreadable,
    )


def pixel_faults(
    root: Path,
    files: Sequence[str],
    options: ReadOptions,
    class_of: Mapping[str, str] | None = None,
) -> list[str]:
    """Return what is wrong with the pixels of files, for a refusal that has another reason.

    Only the first files are decoded, at most `MOST_TRIED` of them, with at most `MOST_BYTES`.

    Args:
        root: The folder of the files.
        files: Paths relative to it.
        options: With on_error="skip" damaged files are no fault.
        class_of: File -> class, of the files in class folders, so that masks among them are seen;
            None where the classes are not known, or come from a table.
    """
    tried = list(_first_files(root, files))
    unreadable: dict[str, str] = {}
    headers: dict[str, Header] = {}
    label_like: list[str] = []
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        outcomes = pool.map(partial(attempt, _examine), map(root.joinpath, tried))
        for file, outcome in zip(tried, outcomes, strict=True):
            if isinstance(outcome, UnreadableError):
                unreadable[file] = outcome.reason
                continue
            headers[file], is_label_like = outcome
            if is_label_like:
                label_like.append(file)
    faults = []
    if unreadable and options.on_error == "stop":
        faults.append(str(unreadable_error(unreadable, len(tried), root)))
    if class_of is not None:  # some files may be in no class folder
        of_decoded = {file: class_of[file] for file in headers if file in class_of}
        label_like = [file for file in label_like if file in of_decoded]
        faults += class_problems(label_like, of_decoded, headers)
    return faults


def _examine(path: Path) -> tuple[Header, bool]:
    """Decode a file; return its header, and whether its pixels are like those of a mask."""
    header, pixels = decode_with_header(path)
    return header, looks_like_labels(pixels)


def _first_files(root: Path, files: Sequence[str]) -> Iterator[str]:
    """Yield the files that are tried."""
    n_bytes = 0
    for file in files[:MOST_TRIED]:
        try:
            n_bytes += (root / file).stat().st_size
        except OSError:
            continue
        if n_bytes > MOST_BYTES:
            return
        yield file
