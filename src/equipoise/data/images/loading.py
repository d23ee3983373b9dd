"""Decode the files of a listing in parallel into one array, allocated once."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.cache import cached
from equipoise.data.images.conversion import (
    agree,
    conform,
    describe,
    describe_constant,
    is_constant,
    is_gray,
)
from equipoise.data.images.decoding import decode
from equipoise.data.images.file import UnreadableError, read_header
from equipoise.data.images.listing import Listing, check_classes, first_few
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.exceptions import DataError

_ONE_AT_A_TIME = threading.RLock()  # warning filters and standard error belong to the whole process


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings, and libtiff, which writes to the process's standard error past Python.

    For the thread that starts the decoding ones. Whatever is written to standard error meanwhile is lost.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings(), _muted():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _muted() -> Iterator[None]:
    if sys.__stderr__ is None:  # a program without a terminal
        yield
        return
    sys.__stderr__.flush()
    error = sys.__stderr__.fileno()
    kept, nowhere = os.dup(error), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, error)
        yield
    finally:
        os.dup2(kept, error)
        os.close(kept)
        os.close(nowhere)


A = TypeVar("A")
T = TypeVar("T")


class Decoded(NamedTuple):
    """Images of the files that could be decoded, in order, and why the others could not."""

    images: Images
    unreadable: dict[str, str]
    notes: tuple[str, ...]


def load(listing: Listing, options: ReadOptions) -> Loaded:
    """Decode, convert and resize the files of a listing, or take them from the cache.

    Pillow releases the interpreter lock, so threads decode in parallel; memory holds the result and one original
    per thread. JPEGs are decoded in full: Pillow's faster reduced decoding would change the pixels.

    Raises:
        DataError: Files cannot be decoded (all are counted, the first few named), mix 8 bits with 16 or float, or
            differ in size where no size is asked for; or a class is too small without the skipped ones.
    """
    loaded = cached(listing, options, partial(_assemble, listing, options))
    return replace(loaded, notes=(*listing.notes, *loaded.notes))


def _assemble(listing: Listing, options: ReadOptions) -> Loaded:
    images, unreadable, notes = decode_all(listing, options)
    if unreadable and (options.on_error == "stop" or not len(images)):
        raise _unreadable(unreadable, listing)
    rows = np.flatnonzero([file not in unreadable for file in listing.files])
    labels, splits = listing.labels[rows], None if listing.splits is None else listing.splits[rows]
    check_classes(labels, listing.class_names, splits, source=listing.root)
    if options.channels == "auto" and images.shape[1] == 3 and is_gray(images):
        images = images[:, :1].copy()
        notes = (*notes, "All color files have three equal channels; one of them was kept.")
    dataset = ImageDataset(
        images=images,
        labels=labels,
        class_names=listing.class_names,
        groups=listing.groups[rows],
        ids=np.array(listing.files)[rows],
    )
    skipped = tuple(f"{file}: {reason}" for file, reason in unreadable.items())
    return Loaded(dataset=dataset, source_split=splits, skipped=skipped, notes=notes)


def decode_all(listing: Listing, options: ReadOptions) -> Decoded:
    """Read all headers, allocate the result, then decode into it; files that fail are collected on the way.

    Raises:
        DataError: No file can be read, or they mix 8 bits with 16 or float, or differ in size where none is asked.
    """
    with quiet(), ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        paths = [listing.root / file for file in listing.files]
        headers, unreadable = _sift(listing.files, pool.map(partial(_attempt, read_header), paths))
        if not headers:
            raise _unreadable(unreadable, listing)
        target = agree(headers, options)
        images = np.zeros(
            (len(headers), target.channels, target.height, target.width), dtype=target.dtype
        )
        fill = partial(_fill, images, [listing.root / file for file in headers], options)
        outcomes = pool.map(partial(_attempt, fill), range(len(images)))
        constant, damaged = _sift(headers, _counted(outcomes, len(images), options.progress))
    notes = describe(headers, target, options) + describe_constant(
        [file for file in constant if constant[file]]
    )
    if damaged:
        images = images[[file not in damaged for file in headers]]
    return Decoded(images, dict(sorted((unreadable | damaged).items())), notes)


def _fill(images: Images, paths: Sequence[Path], options: ReadOptions, row: int) -> bool:
    """Decode one file into its row; True if all its pixels are the same."""
    pixels = decode(paths[row])
    image = conform(pixels, images.shape[1], options)
    if image.shape != images.shape[1:]:
        reason = (
            "its orientation stands behind its pixels. Save it upright, or give a size (--size)."
        )
        raise UnreadableError(paths[row], reason)
    images[row] = image
    return is_constant(pixels)


def _attempt(function: Callable[[A], T], argument: A) -> T | UnreadableError:
    """Return what a function raises for a file, so that one bad file does not end the others."""
    try:
        return function(argument)
    except UnreadableError as error:
        return error


def _sift(
    names: Iterable[str], outcomes: Iterable[T | UnreadableError]
) -> tuple[dict[str, T], dict[str, str]]:
    """Part what files gave from why they gave nothing."""
    good: dict[str, T] = {}
    bad: dict[str, str] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, UnreadableError):
            bad[name] = outcome.reason
        else:
            good[name] = outcome
    return good, bad


def _counted(
    outcomes: Iterable[T], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[T]:
    for done, outcome in enumerate(outcomes, 1):
        if progress is not None:
            progress(done, total)
        yield outcome


def _unreadable(reasons: Mapping[str, str], listing: Listing) -> DataError:
    some = first_few([f"{file}: {reason}" for file, reason in reasons.items()])
    return DataError(
        f"Cannot read {len(reasons)} of {len(listing.files)} images in {listing.root}. {some} "
        "Repair or remove them, or leave them out with on_error='skip' (--on-error skip)."
    )
