"""Images to feature vectors: what an extractor is, and `extract`, which caches by content."""

import time
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, fingerprint
from equipoise.atomic import atomic_file, read_arrays
from equipoise.exceptions import DamagedFileError, DataError
from equipoise.training.progress import report
from equipoise.validation import check_images

Features = NDArray[np.float64]  # (n, d)

VERSION = 1  # raise it when the meaning of a cached block changes
STEP = 32  # images between two reports of progress
BLOCK = 8 * STEP  # images in a file of the cache: what a killed run may lose
N_TIMED = 8  # images that are timed for an estimate


class Extractor(Protocol):
    """Maps images to feature vectors, each image independently of the others in its batch.

    Attributes:
        name: Its name in `equipoise.features.table.EXTRACTORS`.
        digest: SHA-256 of everything that determines the features: weights, preparation of the
            images, value range. Distances and scores of extractors with different digests must not
            be compared.
        dimension: Length d of a feature vector.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def dimension(self) -> int: ...  # noqa: D102

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map checked images (n, c, h, w) in storage type to (n, d) in bounded memory, n > 0."""
        ...


def extract(images: Images, extractor: Extractor, *, cache: Path | None = None) -> Features:
    """Compute the features of images, with reports of progress.

    Args:
        images: (n, c, h, w) in storage type, c = 1 or 3; may be mapped from a file.
        extractor: Computes the features.
        cache: Folder of computed features, created if absent; None caches nothing. Each block of
            256 images has a file that is found by the content of the images and the digest of the
            extractor, so that a killed run continues where it stopped. Several processes may share
            the folder: files are written atomically. Damaged files are computed again.

    Returns:
        (n, d) finite; the values are those that the extractor computes in float32.

    Raises:
        DataError: Images of another shape or type, or features that are not finite.
        SettingError: The folder cannot be written.

    Example:
        >>> from equipoise.features.pixels import pixels
        >>> extract(np.zeros((3, 1, 32, 32), dtype=np.uint8), pixels(device="cpu")).shape
        (3, 768)
    """
    images = check_images(images)
    if images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w), got {images.shape}. Volumes have no extractor."
        )
    features = np.empty((len(images), extractor.dimension))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        if cache is None:
            block_features = _compute(block, extractor, start, len(images))
        else:
            content = fingerprint(VERSION, block, extractor.digest)[:40]
            file = Path(cache) / f"{extractor.name}-{content}.npz"
            cached = _read_cached(file, (len(block), extractor.dimension))
            if cached is None:
                cached = _compute(block, extractor, start, len(images))
                with (
                    atomic_file(file, checksum=True) as temporary,
                    temporary.open("wb") as stream,
                ):
                    np.savez(stream, features=cached)
            block_features = cached
        features[start : start + BLOCK] = block_features
        report(f"features: {extractor.name}", start + len(block), len(images))
    return features


def seconds_for(extractor: Extractor, n: int, images: Images) -> float:
    """Estimate how many seconds `n` images take, by timing the first few after a warm-up.

    Raises:
        DataError: No images.
    """
    timed = check_images(images)[:N_TIMED]
    if len(timed) == 0:
        raise DataError("Expected at least one image to time the extractor on, got none.")
    extractor(timed[:1])
    start = time.perf_counter()
    extractor(timed)
    return (time.perf_counter() - start) / len(timed) * n


def _compute(
    block: Images, extractor: Extractor, n_done: int, n_images: int
) -> NDArray[np.float32]:
    """Compute the features (b, d) of a block; `n_done` of `n_images` are done before it."""
    features = np.empty((len(block), extractor.dimension), dtype=np.float32)
    for start in range(0, len(block), STEP):
        report(f"features: {extractor.name}", n_done + start, n_images)
        features[start : start + STEP] = extractor(block[start : start + STEP])
    if not np.isfinite(features).all():
        raise DataError(
            f"The features of {extractor.name} are not finite. Check the weights and the images."
        )
    return features


def _read_cached(file: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Read a file of the cache; None where it is absent, damaged, or of another shape."""
    if not file.is_file():
        return None
    try:
        features = read_arrays(file).get("features", np.empty(0))
    except DamagedFileError:
        return None
    return features if features.shape == shape and features.dtype == np.float32 else None
