"""Decode the files of a listing in parallel into one array, allocated once."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

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
from equipoise.data.images.decoding import decode_with_header
from equipoise.data.images.file import Header, UnreadableError, quiet, read_header
from equipoise.data.images.label_images import class_problems, looks_like_labels
from equipoise.data.images.listing import Listing, check_classes, first_few
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.scratch import blank_images
from equipoise.exceptions import DataError
from equipoise.validation import refuse_together

BATCH = 16  # files decoded in one task of a thread
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


def decode_all(listing: Listing, options: ReadOptions) -> Decoded:
    """Decode all files into one array, each opened once; files that fail are collected.

    Raises:
        DataError: No file can be read, or files mix 8 bits with 16 or float, or differ in size when
            no size is requested.
    """
    headers: dict[str, Header] = {}
    unreadable: dict[str, str] = {}
    contents: dict[str, Content] = {}
    decoded_rows: list[int] = []
    stack = _Stack(listing, options)
    n_files = len(listing.files)
    batches = [range(i, min(i + BATCH, n_files)) for i in range(0, n_files, BATCH)]
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        for row, file in enumerate(chain.from_iterable(pool.map(stack.decode, batches))):
            name = listing.files[row]
            if file.header is not None:
                headers[name] = file.header
            if file.reason:
                unreadable[name] = file.reason
            else:
                decoded_rows.append(row)
                contents[name] = file.content
            if options.progress is not None:
                options.progress(row + 1, n_files)
    if not headers:
        raise unreadable_error(unreadable, n_files, listing.root)
    try:
        target = agree(headers, options)
    except DataError as error:
        if not unreadable or options.on_error == "skip":
            raise
        also = unreadable_error(unreadable, n_files, listing.root)
        raise DataError(f"{error}\n{also}") from error
    images = stack.fitting(target)
    if len(decoded_rows) < n_files:
        images = images[decoded_rows]
    notes, problems = _describe_contents(listing, headers, contents, target)
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
        kind = re.sub(r" \(\d+ bytes not processed\)", "", reason.rstrip("."))
        files_of.setdefault(kind, []).append(file)
    parts = [f"{first_few(files)}: {reason}." for reason, files in files_of.items()]
    some = first_few(parts).replace(".,", ".")
    some += "" if some.endswith(".") else " reasons."
    return DataError(
        f"Cannot read {len(reasons)} of {n_files} images in {root}: {some} "
        "Repair or remove them, or leave them out with on_error='skip' (--on-error skip)."
    )


def _load_uncached(listing: Listing, options: ReadOptions) -> Loaded:
    decoded = decode_all(listing, options)
    images = decoded.images
    notes = decoded.notes
    faults: list[str] = []
    if decoded.problems and not listing.by_table:
        fix = "If they are images to learn from, list all images in a table (--table CSV)."
        faults = [*decoded.problems[:-1], f"{decoded.problems[-1]} {fix}"]
    if decoded.unreadable and (options.on_error == "stop" or not len(images)):
        error = unreadable_error(decoded.unreadable, len(listing.files), listing.root)
        raise DataError("\n".join([str(error), *faults]))
    refuse_together(listing.root, faults)
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


@dataclass(frozen=True, kw_only=True)
class _DecodedFile:
    """A file after decoding.

    Attributes:
        header: None if it has none that can be read.
        reason: Why it cannot be read; "" if it can.
        content: What its pixels are like.
    """

    header: Header | None
    reason: str = ""
    content: Content = Content.IMAGE


class _Stack:
    """The images of a listing in one array, into which threads decode.

    It has the storage type and size of the first file. As soon as another file differs in them,
    only headers are read, because such files are refused.
    """

    def __init__(self, listing: Listing, options: ReadOptions) -> None:
        self.paths = list(map(listing.root.joinpath, listing.files))
        self.options = options
        self.images: Images | None = None
        self.is_mixed = False
        self.lock = Lock()

    def decode(self, rows: Sequence[int]) -> list[_DecodedFile]:
        """Decode the files of some rows into the array."""
        return list(map(self._decode, rows))

    def fitting(self, target: Target) -> Images:
        """Return the array, made or widened to the channels of a target; not in two threads."""
        if self.images is None:
            shape = (len(self.paths), target.channels, target.height, target.width)
            self.images = blank_images(shape, target.dtype)
        elif self.images.shape[1] < target.channels:
            gray = self.images
            self.images = blank_images((len(gray), target.channels, *gray.shape[2:]), gray.dtype)
            for row, image in enumerate(gray):
                self.images[row] = image
        return self.images

    def _decode(self, row: int) -> _DecodedFile:
        path = self.paths[row]
        try:
            if self.is_mixed:
                return _DecodedFile(header=read_header(path))
            header, pixels = decode_with_header(path)
            n_channels = 1 if self.options.channels == "gray" else len(pixels)
            self._store(row, conform(pixels, n_channels, self.options), header)
            return _DecodedFile(header=header, content=_content(pixels))
        except UnreadableError as error:
            outcome = attempt(read_header, path)
            return _DecodedFile(
                header=None if isinstance(outcome, UnreadableError) else outcome,
                reason=error.reason,
            )

    def _store(self, row: int, image: Images, header: Header) -> None:
        """Store an image; a gray one in color gets three equal channels.

        Raises:
            UnreadableError: It has not the size of its header.
        """
        size = self.options.size
        expected_shape = (size, size) if size else (header.height, header.width)
        if image.shape[1:] != expected_shape:
            raise UnreadableError(
                self.paths[row],
                "its orientation is stored after its pixels. Save it upright, or give a size "
                "(--size).",
            )
        n_channels = 3 if self.options.channels == "rgb" else len(image)
        with self.lock:
            images = self.fitting(Target(n_channels, image.dtype, *expected_shape))
            self.is_mixed |= images.shape[2:] != image.shape[1:] or images.dtype != image.dtype
            if not self.is_mixed:
                images[row] = image


def _content(pixels: Images) -> Content:
    """Return what the pixels of a file are like."""
    if is_constant(pixels):
        return Content.CONSTANT
    return Content.LABELS if looks_like_labels(pixels) else Content.IMAGE


def attempt(function: Callable[[A], T], argument: A) -> T | UnreadableError:
    """Return the result or the error for a file, so that one bad file does not end the others."""
    try:
        return function(argument)
    except UnreadableError as error:
        return error
