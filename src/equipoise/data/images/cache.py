"""Decoded images kept on disk, so that a second run starts at once; the folder may be deleted at any time."""

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
from platformdirs import user_cache_dir

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.listing import Listing
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.exceptions import SettingError

VERSION = 1  # raise it when decoding or resizing changes
# What reading a damaged entry raises; an entry that reads well must also bear its seal.
DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)


def cache_folder(asked: Path | str | None) -> Path | None:
    """Find the cache: `asked`, or for "auto" $EQUIPOISE_CACHE or the user's cache folder; None if it is off."""
    if asked == "auto":
        asked = os.environ.get("EQUIPOISE_CACHE") or user_cache_dir("equipoise")
    return None if asked in (None, "off") else Path(asked).expanduser()


def cached(listing: Listing, options: ReadOptions, make: Callable[[], Loaded]) -> Loaded:
    """Give what `make` made before of the same files and options, or else make it and keep it.

    A damaged entry is made anew. Where the cache cannot be written, a note says so.
    """
    folder = cache_folder(options.cache)
    if folder is None:
        return make()
    entry = folder / "images" / key(listing, options)
    if (loaded := _load(entry)) is not None:
        return loaded
    loaded = make()
    try:
        _save(loaded, entry)
    except (OSError, SettingError) as error:
        return replace(
            loaded, notes=(*loaded.notes, f"The decoded images could not be cached: {error}")
        )
    return loaded


def key(listing: Listing, options: ReadOptions) -> str:
    """Hash what decides the result: the files' names, sizes and times, labels, patients, splits and options."""
    stats = [(listing.root / file).stat() for file in listing.files]
    return fingerprint(
        VERSION,
        PIL.__version__,
        str(listing.root.resolve()),
        [(file, s.st_size, s.st_mtime_ns) for file, s in zip(listing.files, stats, strict=True)],
        listing.labels,
        listing.class_names,
        listing.groups,
        None if listing.splits is None else listing.splits.tolist(),
        (options.size, options.fit, options.filter, options.channels, options.on_error),
    )


def _save(loaded: Loaded, entry: Path) -> None:
    with atomic_folder(entry) as folder:
        loaded.dataset.save(folder / "dataset")
        about = {
            "seal": _seal(loaded),
            "source_split": None if loaded.source_split is None else loaded.source_split.tolist(),
            "skipped": loaded.skipped,
            "notes": loaded.notes,
        }
        write_json(folder / "loaded.json", about)


def _load(entry: Path) -> Loaded | None:
    if not entry.is_dir():
        return None
    try:
        about, dataset = read_json(entry / "loaded.json"), ImageDataset.load(entry / "dataset")
        split = about["source_split"]
        loaded = Loaded(
            dataset=dataset,
            source_split=None if split is None else np.array(split),
            skipped=tuple(about["skipped"]),
            notes=tuple(about["notes"]),
        )
        return loaded if _seal(loaded) == about["seal"] else None
    except DAMAGE:
        return None


def _seal(loaded: Loaded) -> str:
    split = None if loaded.source_split is None else loaded.source_split.tolist()
    return fingerprint(loaded.dataset.fingerprint, split, loaded.skipped, loaded.notes)
