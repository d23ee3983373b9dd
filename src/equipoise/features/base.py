"""Images to feature vectors: what an extractor is, and `extract`, which keeps what it computed by content."""

import time
import zipfile
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, fingerprint
from equipoise.atomic import atomic_file
from equipoise.exceptions import DataError
from equipoise.training.progress import report
from equipoise.validation import check_images

Features = NDArray[np.float64]  # (n, d)

VERSION = 1  # raise it when the meaning of a cached block changes
STEP = 32  # images between two reports of progress
BLOCK = 8 * STEP  # images in one file of the cache: what a kill can cost
N_TIMED = 8  # images that an estimate of the time looks at
# What reading a damaged file of the cache raises; the archive carries a checksum of its bytes.
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class Extractor(Protocol):
    """Turns images into feature vectors, each image by itself: the others of a batch do not matter.

    Attributes:
        name: Its name in `equipoise.features.table.EXTRACTORS`.
        digest: SHA-256 of all that decides its features: weights, preparation of the images, value range. Distances
            and scores of two extractors with other digests must not be compared.
        dimension: Length d of a feature vector.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def dimension(self) -> int: ...  # noqa: D102

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map checked images (n, c, h, w) in storage type to (n, d), in bounded memory for any n > 0."""
        ...


def extract(images: Images, extractor: Extractor, *, cache: Path | None = None) -> Features:
    """Give the features of images, with reports of progress.

    Args:
        images: (n, c, h, w) in storage type, c = 1 or 3; may be mapped from a file.
        extractor: What makes the features.
        cache: Folder of earlier features, made where absent; None keeps nothing. Each block of 256 images has a
            file, found by the images' content and the extractor's digest, so that a killed run goes on where it
            was. Several processes may share it: a file appears whole or not at all. Damaged ones are made anew.

    Returns:
        (n, d) finite; the values are those that the extractor computes in float32.

    Raises:
        DataError: Images of another shape or type, or features that are not finite.
        SettingError: The folder cannot be written.
    """
    images = check_images(images)
    if images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w), got {images.shape}. Volumes have no extractor."
        )
    features = np.empty((len(images), extractor.dimension))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        file = None if cache is None else Path(cache) / _file_name(block, extractor)
        if (found := _load(file, (len(block), extractor.dimension))) is None:
            found = _through(block, extractor, start, len(images))
            _save(found, file)
        features[start : start + BLOCK] = found
        report(f"features: {extractor.name}", start + len(block), len(images))
    return features


def seconds_for(extractor: Extractor, n: int, images: Images) -> float:
    """Estimate how many seconds `n` images like these take: the first few are timed, after a warm-up."""
    few = check_images(images)[:N_TIMED]
    if len(few) == 0:
        raise DataError("Expected at least one image to time the extractor on, got none.")
    extractor(few[:1])
    start = time.perf_counter()
    extractor(few)
    return (time.perf_counter() - start) / len(few) * n


def _through(block: Images, extractor: Extractor, done: int, n: int) -> NDArray[np.float32]:
    found = np.empty((len(block), extractor.dimension), dtype=np.float32)
    for start in range(0, len(block), STEP):
        report(f"features: {extractor.name}", done + start, n)
        found[start : start + STEP] = extractor(block[start : start + STEP])
    if not np.isfinite(found).all():
        raise DataError(
            f"The features of {extractor.name} are not finite. Check the weights and the images."
        )
    return found


def _file_name(block: Images, extractor: Extractor) -> str:
    return f"{extractor.name}-{fingerprint(VERSION, block, extractor.digest)[:40]}.npz"


def _load(file: Path | None, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    if file is None or not file.is_file():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found: NDArray[np.float32] = arrays["features"]
    except DAMAGE:
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _save(found: NDArray[np.float32], file: Path | None) -> None:
    if file is None:
        return
    with atomic_file(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, features=found)
