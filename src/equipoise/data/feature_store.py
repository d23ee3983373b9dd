"""Features of images on disk, found by the content of each image; memory-mapped when read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from equipoise.arrays import Rows, fingerprint
from equipoise.atomic import atomic_folder, reading
from equipoise.exceptions import DamagedFileError, SettingError
from equipoise.image_rows import ImageSource

HalfFeatures = NDArray[np.float16]  # (n, d)
StoredFeatures = NDArray[np.floating[Any]]  # (n, d) of the type of their store

BLOCK = 512  # images in a file: what a killed computation may lose
KEYS, FEATURES = "keys.npy", "features.npy"

MOST_OPEN = 256  # blocks that a process keeps open; each is a file of the system

Stamp = tuple[int, ...]  # inodes, sizes and times of the last change of the files of a block


@dataclass(eq=False)
class _Remembered:
    """Images inside `keys_remembered`, and their keys once they are needed."""

    images: ImageSource
    keys: list[str] | None = None


_remembered: list[_Remembered] = []


def image_keys(images: ImageSource) -> list[str]:
    """Return a key of each image (n, c, h, w): a hash of its type, shape and pixels."""
    for entry in _remembered:
        if entry.images is images:
            if entry.keys is None:
                entry.keys = _hashed(images)
            return entry.keys
    return _hashed(images)


@contextmanager
def keys_remembered(*sets: ImageSource) -> Iterator[None]:
    """Hash these images at most once inside the block, which must not change them.

    Example:
        >>> images = np.zeros((2, 1, 4, 4), dtype=np.uint8)
        >>> with keys_remembered(images):
        ...     image_keys(images) is image_keys(images)
        True
    """
    n_before = len(_remembered)
    _remembered.extend(_Remembered(images) for images in sets)
    try:
        yield
    finally:
        del _remembered[n_before:]


def _hashed(images: ImageSource) -> list[str]:
    return [fingerprint(image)[:32] for image in images]


class FeatureStore:
    """Features of one extractor for one view, in a folder of files that are only ever added.

    A file contains the features of a block of images, and the keys of the images.
    Several processes may share the folder: a block appears whole or not at all, and one that two
    processes have computed is stored twice without harm. Damaged blocks are computed again; a
    process compares the checksums of a block once, and again where its files have changed.

    Args:
        folder: Named by everything that determines the features besides the image; None keeps
            nothing.
        dimension: Length d of a feature vector.
        dtype: Type of the features.
    """

    def __init__(self, folder: Path | None, dimension: int, dtype: DTypeLike = np.float16) -> None:
        self.folder = folder
        self.dimension = dimension
        self.dtype = np.dtype(dtype)
        self._blocks: list[StoredFeatures] = []
        self._starts: list[int] = []  # place of the first image of each block
        self._names: set[str] = set()  # of the blocks
        self._places: dict[str, int] = {}  # key of an image -> place, counted through the blocks

    def features(
        self,
        keys: Sequence[str],
        compute: Callable[[Rows], StoredFeatures],
        out: StoredFeatures | None = None,
    ) -> StoredFeatures:
        """Return the features (n, d) of the images with these keys.

        Args:
            keys: (n,) from `image_keys`.
            compute: Rows of `keys` (m,) to their features (m, d); called for what is missing, at
                most `BLOCK` rows at a time.
            out: Array (n, d) that is filled and returned; a new one where None.
        """
        features = out
        if features is None:
            features = np.empty((len(keys), self.dimension), dtype=self.dtype)
        missing = self._read_into(features, keys)
        for start in range(0, len(missing), BLOCK):
            rows = missing[start : start + BLOCK]
            block = compute(rows)
            features[rows] = block
            self._write([keys[row] for row in rows], block)
        return features

    def missing(self, keys: Sequence[str]) -> Rows:
        """Return the rows of the first image with each key whose features are not stored."""
        self._scan()
        rows: dict[str, int] = {}
        for row, key in enumerate(keys):
            if key not in self._places:
                rows.setdefault(key, row)
        return np.array(list(rows.values()), dtype=np.int64)

    def _read_into(self, features: StoredFeatures, keys: Sequence[str]) -> Rows:
        """Copy the stored features into an array; return the rows that are not stored."""
        self._scan()
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        numbers = np.searchsorted(self._starts, places, side="right") - 1  # -1 where missing
        for number, block in enumerate(self._blocks):
            rows = np.flatnonzero(numbers == number)
            if len(rows):
                features[rows] = block[places[rows] - self._starts[number]]
        return np.flatnonzero(numbers < 0)

    def _scan(self) -> None:
        """Open the blocks that have appeared since the last look."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.name in self._names:
                continue
            try:
                keys, block = _open_block(path, _stamp_of(path))
            except (DamagedFileError, FileNotFoundError, NotADirectoryError):
                continue
            if block.shape != (len(keys), self.dimension) or block.dtype != self.dtype:
                continue
            start = 0
            if self._blocks:
                start = self._starts[-1] + len(self._blocks[-1])
            self._blocks.append(block)
            self._starts.append(start)
            self._names.add(path.name)
            for place, key in enumerate(keys, start):
                self._places.setdefault(key, place)

    def _write(self, keys: list[str], block: StoredFeatures) -> None:
        if self.folder is None:
            return
        folder = self.folder / fingerprint(keys)[:24]
        # Where the folder cannot be written, as in a run on a read-only disk, that costs time only.
        with suppress(SettingError), atomic_folder(folder) as temporary:
            np.save(temporary / KEYS, np.array(keys))
            np.save(temporary / FEATURES, block)


@lru_cache(maxsize=MOST_OPEN)
def _open_block(block: Path, _stamp: Stamp) -> tuple[list[str], StoredFeatures]:
    """Return the keys and the mapped features of a block, verified once for each stamp.

    Raises:
        DamagedFileError: A file was changed since it was written.
        FileNotFoundError: A file is missing.
    """
    with reading(block / KEYS):
        keys: list[str] = np.load(block / KEYS, allow_pickle=False).tolist()
    with reading(block / FEATURES):
        features = np.load(block / FEATURES, mmap_mode="r", allow_pickle=False)
    return keys, features


def _stamp_of(block: Path) -> Stamp:
    keys, features = (block / KEYS).stat(), (block / FEATURES).stat()
    times = (keys.st_mtime_ns, features.st_mtime_ns)
    return (keys.st_ino, features.st_ino, keys.st_size, features.st_size, *times)
