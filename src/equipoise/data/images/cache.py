"""Store decoded images on disk, so that a second run starts at once.

An entry is found by the content of the files, so a file that was replaced is never served stale.
"""

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.data.cache import IMAGES, cache_folder, evict, mark_used, size_limit
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.listing import Listing
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.exceptions import SettingError
from equipoise.image_rows import most_copied

BATCH = 32  # files hashed in one task of a thread
VERSION = 3  # raise it when decoding, resizing or what is said of the images changes
# What reading a damaged entry raises; an entry that can be read must also match its seal.
DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)


def cached(listing: Listing, options: ReadOptions, compute: Callable[[], Loaded]) -> Loaded:
    """Return the stored result for the same files and options, or else compute and store it.

    Images of many bytes (`most_copied`) are rows of the mapped entry. A damaged entry is computed
    again. If the cache cannot be written, a note says so. Where the cache is larger than its limit,
    the entries that were not used for longest are removed.
    """
    folder = cache_folder(options.cache)
    if folder is None:
        return compute()
    limit = size_limit()
    entry = folder / IMAGES / key(listing, options)
    stored = _load_entry(entry)
    if stored is not None:
        mark_used(entry)
        return stored
    loaded = compute()
    if loaded.dataset.images.nbytes > limit:
        return loaded
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
        evict(entry.parent, limit)
    except (OSError, SettingError) as error:
        note = f"The decoded images could not be cached: {error}"
        return replace(loaded, notes=(*loaded.notes, note))
    mapped = _load_entry(entry) if loaded.dataset.images.nbytes > most_copied() else None
    return mapped or loaded


def key(listing: Listing, options: ReadOptions) -> str:
    """Hash everything that determines the result: files, labels, patients, splits and options.

    A file counts by its name and content.
    """
    contents: list[str] = []
    paths = list(map(listing.root.joinpath, listing.files))
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        for of_batch in pool.map(_contents, batches):
            contents += of_batch
    files = list(zip(listing.files, contents, strict=True))
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


def _contents(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file; empty where it cannot be read, which decoding reports."""
    digests = []
    for path in paths:
        try:
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError:
            digests.append("")
    return digests


def _load_entry(entry: Path) -> Loaded | None:
    """Load an entry of the cache; None if it is absent or damaged."""
    if not entry.is_dir():
        return None
    try:
        about = read_json(entry / "loaded.json")
        split = about["source_split"]
        folder = entry / "dataset"
        is_large = (folder / "images.npy").stat().st_size > most_copied()
        loaded = Loaded(
            dataset=ImageDataset.load(folder, memory_map=is_large),
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
