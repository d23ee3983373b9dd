"""Store decoded images on disk, so that a second run starts at once.

The folder may be deleted at any time.
"""

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
# What reading a damaged entry raises; an entry that can be read must also match its seal.
DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)


def cache_folder(cache: Path | str | None) -> Path | None:
    """Return the folder of the cache, or None if it is off.

    Args:
        cache: A folder; "off" or None; or "auto", which is $EQUIPOISE_CACHE or the user's cache
            folder.
    """
    if cache == "auto":
        cache = os.environ.get("EQUIPOISE_CACHE") or user_cache_dir("equipoise")
    return None if cache in (None, "off") else Path(cache).expanduser()


def cached(listing: Listing, options: ReadOptions, compute: Callable[[], Loaded]) -> Loaded:
    """Return the stored result for the same files and options, or else compute and store it.

    A damaged entry is computed again. If the cache cannot be written, a note says so.
    """
    folder = cache_folder(options.cache)
    if folder is None:
        return compute()
    entry = folder / "images" / key(listing, options)
    stored = _load_entry(entry)
    if stored is not None:
        return stored
    loaded = compute()
    about = {
        "seal": _seal(loaded),
        "source_split": None if loaded.source_split is None else loaded.source_split.tolist(),
        "skipped": loaded.skipped,
        "notes": loaded.notes,
    }
    try:
        with atomic_folder(entry) as temporary:
            loaded.dataset.save(temporary / "dataset")
            write_json(temporary / "loaded.json", about)
    except (OSError, SettingError) as error:
        note = f"The decoded images could not be cached: {error}"
        return replace(loaded, notes=(*loaded.notes, note))
    return loaded


def key(listing: Listing, options: ReadOptions) -> str:
    """Hash everything that determines the result: files, labels, patients, splits and options.

    A file counts by its name, size and time of modification.
    """
    files = []
    for file in listing.files:
        stat = (listing.root / file).stat()
        files.append((file, stat.st_size, stat.st_mtime_ns))
    return fingerprint(
        VERSION,
        PIL.__version__,
        str(listing.root.resolve()),
        files,
        listing.labels,
        listing.class_names,
        listing.groups,
        None if listing.splits is None else listing.splits.tolist(),
        (options.size, options.fit, options.filter, options.channels, options.on_error),
    )


def _load_entry(entry: Path) -> Loaded | None:
    """Load an entry of the cache; None if it is absent or damaged."""
    if not entry.is_dir():
        return None
    try:
        about = read_json(entry / "loaded.json")
        split = about["source_split"]
        loaded = Loaded(
            dataset=ImageDataset.load(entry / "dataset"),
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
