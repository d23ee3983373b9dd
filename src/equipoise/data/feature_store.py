"""Features of images on disk, found by the content of each image; memory-mapped when read."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from equipoise.arrays import Rows, fingerprint
from equipoise.atomic import atomic_folder, reading
from equipoise.checksums import check_folder
from equipoise.exceptions import DamagedFileError, SettingError
from equipoise.image_rows import ImageSource

HalfFeatures = NDArray[np.float16]  # (n, d)
StoredFeatures = NDArray[np.floating[Any]]  # (n, d) of the type of their store

BLOCK = 512  # images in a file: what a killed computation may lose
KEYS, FEATURES = "keys.npy", "features.npy"


def image_keys(images: ImageSource) -> list[str]:
    """Return a key of each image (n, c, h, w): a hash of its type, shape and pixels."""
    return [fingerprint(image)[:32] for image in images]


class FeatureStore:
    """Features of one extractor for one view, in a folder of files that are only ever added.

    A file contains the features of a block of images, and the keys of the images.
    Several processes may share the folder: a block appears whole or not at all, and one that two
    processes have computed is stored twice without harm. Damaged blocks are computed again.

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
        self._blocks: dict[str, StoredFeatures] = {}  # by the name of the block
        self._places: dict[str, tuple[str, int]] = {}  # key of an image -> block and row

    def features(
        self, keys: Sequence[str], compute: Callable[[Rows], StoredFeatures]
    ) -> StoredFeatures:
        """Return the features (n, d) of the images with these keys.

        Args:
            keys: (n,) from `image_keys`.
            compute: Rows of `keys` (m,) to their features (m, d); called for what is missing, at
                most `BLOCK` rows at a time.
        """
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
        rows_of_block: dict[str, list[tuple[int, int]]] = {}
        missing = []
        for row, key in enumerate(keys):
            if key in self._places:
                block, place = self._places[key]
                rows_of_block.setdefault(block, []).append((row, place))
            else:
                missing.append(row)
        for block, pairs in rows_of_block.items():
            rows, places = np.array(pairs).T
            features[rows] = self._blocks[block][places]
        return np.array(missing, dtype=np.int64)

    def _scan(self) -> None:
        """Open the blocks that have appeared since the last look."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.name in self._blocks:
                continue
            try:
                check_folder(path)
                with reading(path / KEYS):
                    keys = np.load(path / KEYS, allow_pickle=False)
                with reading(path / FEATURES):
                    block = np.load(path / FEATURES, mmap_mode="r", allow_pickle=False)
            except (DamagedFileError, FileNotFoundError):
                continue
            if block.shape != (len(keys), self.dimension) or block.dtype != self.dtype:
                continue
            self._blocks[path.name] = block
            for row, key in enumerate(keys.tolist()):
                self._places.setdefault(key, (path.name, row))

    def _write(self, keys: list[str], block: StoredFeatures) -> None:
        if self.folder is None:
            return
        folder = self.folder / fingerprint(keys)[:24]
        # Where the folder cannot be written, as in a run on a read-only disk, that costs time only.
        with suppress(SettingError), atomic_folder(folder) as temporary:
            np.save(temporary / KEYS, np.array(keys))
            np.save(temporary / FEATURES, block)
