"""The cache: where decoded images, prepared volumes and downloads are kept between runs.

It contains patient data, so its folders are 0700 and its files 0600. All of it may be deleted at
any time.
"""

import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

from equipoise.atomic import make_folder
from equipoise.exceptions import SettingError

FOLDER, LIMIT = "EQUIPOISE_CACHE", "EQUIPOISE_CACHE_GB"  # environment variables
DEFAULT_LIMIT_GB = 20.0
IMAGES, VOLUMES, DOWNLOADS = "images", "volumes", "medmnist"
CONTENTS = {
    IMAGES: "decoded images",
    VOLUMES: "prepared volumes",
    DOWNLOADS: "downloaded data sets",
}


@dataclass(frozen=True)
class CacheUsage:
    """What a part of the cache takes.

    Attributes:
        folder: Its folder, which need not exist.
        contents: What it is, in words.
        n_entries: Data sets, cases or files.
        n_bytes: Their size.
    """

    folder: Path
    contents: str
    n_entries: int
    n_bytes: int


def cache_folder(cache: Path | str | None = "auto") -> Path | None:
    """Return the folder of the cache, or None if it is off.

    Args:
        cache: A folder; "off" or None; or "auto", which is $EQUIPOISE_CACHE or the user's cache
            folder.
    """
    if cache == "auto":
        cache = os.environ.get(FOLDER) or user_cache_dir("equipoise")
    return None if cache in (None, "off") else Path(cache).expanduser()


def make_cache_folder(folder: Path) -> None:
    """Create a folder of the cache that a command cannot do without.

    Raises:
        SettingError: It cannot be created or written; names the variable that names another one.
    """
    try:
        if not folder.is_dir():  # one that cannot be written may have what is read
            make_folder(folder)
    except SettingError as error:
        raise SettingError(f"{error} ${FOLDER} names the folder of the cache.") from error


def size_limit() -> float:
    """Return how many bytes of decoded images the cache may keep: $EQUIPOISE_CACHE_GB or 20 GB.

    Raises:
        SettingError: The variable is no size.
    """
    text = os.environ.get(LIMIT) or str(DEFAULT_LIMIT_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise SettingError(f"Expected ${LIMIT} to be a size in GB, such as 20, got '{text}'.")
    return limit * 1e9


def usage(folder: Path) -> list[CacheUsage]:
    """Return what each part of a cache takes."""
    parts = []
    for name, contents in CONTENTS.items():
        entries = list((folder / name).glob("[!.]*"))
        n_bytes = sum(map(size_of, entries))
        parts.append(CacheUsage(folder / name, contents, len(entries), n_bytes))
    return parts


def clear(folder: Path) -> None:
    """Remove everything that was cached; other files in the folder stay."""
    for name in CONTENTS:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def mark_used(entry: Path) -> None:
    """Note that an entry is used now, so that others are removed first."""
    with suppress(OSError):
        os.utime(entry)


def evict(folder: Path, limit: float) -> None:
    """Remove the least recently used entries of a folder until it is no larger than a limit.

    Args:
        folder: The entries are folders in it.
        limit: In bytes.
    """
    last_used: dict[Path, float] = {}
    sizes: dict[Path, int] = {}
    for entry in folder.glob("[!.]*"):
        with suppress(OSError):  # another process has just removed it
            last_used[entry] = entry.stat().st_mtime
            sizes[entry] = size_of(entry)
    total = sum(sizes.values())
    for entry in sorted(sizes, key=last_used.__getitem__):
        if total <= limit:
            return
        shutil.rmtree(entry, ignore_errors=True)
        total -= sizes[entry]


def size_of(entry: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    total = 0
    for path in (entry, *entry.rglob("*")):
        with suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
    return total
