"""Decode the files of a listing in parallel into one array, allocated once."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.cache import cached
from equipoise.data.images.coincidence import describe_coincidence
from equipoise.data.images.conversion import (
    Target,
    agree,
    conform,
    describe,
    describe_constant,
    is_constant,
    is_gray,
)
from equipoise.data.images.decoding import decode
from equipoise.data.images.file import Header, UnreadableError, quiet, read_header
from equipoise.data.images.label_images import class_problems, looks_like_labels
from equipoise.data.images.listing import Listing, check_classes, first_few
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.exceptions import DataError
from equipoise.validation import refuse_together

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """The files of a listing after decoding.

    Attributes:
        images: (m, c, h, w) of the files that could be decoded, in the order of the listing.
        unreadable: File -> reason, for the others.
        notes: Sentences for the report: what was converted.
        problems: Sentences on label images and other versions of images among them.
    """

    images: Images
    unreadable: Mapping[str, str]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


class Content(Enum):
    """What the pixels of a file are like."""

    IMAGE = auto()
    CONSTANT = auto()
    LABELS = auto()


def load(listing: Listing, options: ReadOptions) -> Loaded:
    """Decode, convert and resize the files of a listing, or load them from the cache.

    Pillow releases the interpreter lock, so threads decode in parallel; memory holds the result and
    one original per thread. JPEGs are decoded in full: Pillow's faster reduced decoding would
    change the pixels.

    Raises:
        DataError: Label images are among those of class folders; files cannot be decoded (all are
            counted, the first few named), mix 8 bits with 16 or float, or differ in size when no
            size is requested; or a class is too small without the skipped files.
    """
    loaded = cached(listing, options, partial(_load_uncached, listing, options))
    return replace(loaded, notes=(*listing.notes, *loaded.notes))


def header_shapes(listing: Listing, options: ReadOptions) -> NDArray[np.int64]:
    """Return channels, height and width (m, 3) of the files that have a readable header.

    Raises:
        DataError: No file has one.
    """
    shapes: list[tuple[int, int, int]] = []
    unreadable: dict[str, str] = {}
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        paths = list(map(listing.root.joinpath, listing.files))
        outcomes = pool.map(partial(_attempt, read_header), paths)
        for file, header in zip(listing.files, outcomes, strict=True):
            if isinstance(header, UnreadableError):
                unreadable[file] = header.reason
            else:
                shapes.append((header.channels, header.height, header.width))
    if not shapes:
        raise unreadable_error(unreadable, len(listing.files), listing.root)
    return np.array(shapes, dtype=np.int64)


def decode_all(listing: Listing, options: ReadOptions) -> Decoded:
    """Read all headers, allocate the result, then decode into it; files that fail are collected.

    Raises:
        DataError: No file can be read, or files mix 8 bits with 16 or float, or differ in size when
            no size is requested.
    """
    headers: dict[str, Header] = {}
    unreadable: dict[str, str] = {}
    contents: dict[str, Content] = {}
    decoded_rows: list[int] = []
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        paths = list(map(listing.root.joinpath, listing.files))
        header_outcomes = pool.map(partial(_attempt, read_header), paths)
        for file, header in zip(listing.files, header_outcomes, strict=True):
            if isinstance(header, UnreadableError):
                unreadable[file] = header.reason
            else:
                headers[file] = header
        if not headers:
            raise unreadable_error(unreadable, len(listing.files), listing.root)
        target = agree(headers, options)
        shape = (len(headers), target.channels, target.height, target.width)
        images = np.zeros(shape, dtype=target.dtype)
        fill = partial(_fill, images, list(map(listing.root.joinpath, headers)), options)
        outcomes = pool.map(partial(_attempt, fill), range(len(images)))
        for row, (file, content) in enumerate(zip(headers, outcomes, strict=True)):
            if options.progress is not None:
                options.progress(row + 1, len(images))
            if isinstance(content, UnreadableError):
                unreadable[file] = content.reason
                continue
            decoded_rows.append(row)
            contents[file] = content
    notes, problems = _describe_contents(listing, headers, contents, target)
    if len(decoded_rows) < len(images):
        images = images[decoded_rows]
    return Decoded(
        images=images,
        unreadable=dict(sorted(unreadable.items())),
        notes=(*describe(headers, target, options), *notes),
        problems=problems,
    )


def _describe_contents(
    listing: Listing, headers: Mapping[str, Header], contents: Mapping[str, Content], target: Target
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes on the files and their classes, and problems with label images among them."""
    class_of: dict[str, str] = {}
    for file, label in zip(listing.files, listing.labels.tolist(), strict=True):
        if file in headers:
            class_of[file] = listing.class_names[label]
    constant = [file for file, content in contents.items() if content is Content.CONSTANT]
    label_like = [file for file, content in contents.items() if content is Content.LABELS]
    notes = describe_constant(constant)
    notes += describe_coincidence(headers, list(class_of.values()), is_color=target.channels == 3)
    return notes, class_problems(label_like, class_of, headers)


def unreadable_error(reasons: Mapping[str, str], n_files: int, root: Path) -> DataError:
    """Return the error for files that cannot be decoded.

    Args:
        reasons: File -> reason.
        n_files: Number of all files.
        root: Folder that the files are in.
    """
    files_of: dict[str, list[str]] = {}
    for file, reason in reasons.items():
        files_of.setdefault(reason.rstrip("."), []).append(file)
    parts = [f"{first_few(files)}: {reason}." for reason, files in files_of.items()]
    some = first_few(parts).replace(".,", ".")
    return DataError(
        f"Cannot read {len(reasons)} of {n_files} images in {root}. {some} "
        "Repair or remove them, or leave them out with on_error='skip' (--on-error skip)."
    )


def _load_uncached(listing: Listing, options: ReadOptions) -> Loaded:
    decoded = decode_all(listing, options)
    images = decoded.images
    notes = decoded.notes
    if decoded.unreadable and (options.on_error == "stop" or not len(images)):
        raise unreadable_error(decoded.unreadable, len(listing.files), listing.root)
    if decoded.problems and not listing.by_table:
        fix = "If they are images to learn from, list all images in a table (--table CSV)."
        refuse_together(listing.root, [*decoded.problems[:-1], f"{decoded.problems[-1]} {fix}"])
    notes = (*decoded.problems, *notes)
    rows = np.flatnonzero([file not in decoded.unreadable for file in listing.files])
    labels = listing.labels[rows]
    splits = None if listing.splits is None else listing.splits[rows]
    check_classes(labels, listing.class_names, splits, source=listing.root)
    if options.channels == "auto" and images.shape[1] == 3 and is_gray(images):
        images = images[:, :1].copy()
        notes = (*notes, "All color files have three equal channels; only one of them was kept.")
    dataset = ImageDataset(
        images=images,
        labels=labels,
        class_names=listing.class_names,
        groups=listing.groups[rows],
        ids=np.array(listing.files)[rows],
    )
    skipped = tuple(map(": ".join, decoded.unreadable.items()))
    return Loaded(dataset=dataset, source_split=splits, skipped=skipped, notes=notes)


def _fill(images: Images, paths: Sequence[Path], options: ReadOptions, row: int) -> Content:
    """Decode one file into its row, and return what its pixels are like."""
    pixels = decode(paths[row])
    image = conform(pixels, images.shape[1], options)
    if image.shape != images.shape[1:]:
        raise UnreadableError(
            paths[row],
            "its orientation is stored after its pixels. Save it upright, or give a size (--size).",
        )
    images[row] = image
    if is_constant(pixels):
        return Content.CONSTANT
    return Content.LABELS if looks_like_labels(pixels) else Content.IMAGE


def _attempt(function: Callable[[A], T], argument: A) -> T | UnreadableError:
    """Return the result or the error for a file, so that one bad file does not end the others."""
    try:
        return function(argument)
    except UnreadableError as error:
        return error
