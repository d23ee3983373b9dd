"""Images to feature vectors: what an extractor is, and `extract`, which caches by content."""

import time
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Rows, fingerprint
from equipoise.data.feature_store import FeatureStore, StoredFeatures, image_keys
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource
from equipoise.training.progress import report
from equipoise.validation import check_images

Features = NDArray[np.float64]  # (n, d)

VERSION = 2  # raise it when the meaning of cached features changes
STEP = 32  # images in a batch, after which progress is reported
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


def extract(images: ImageSource, extractor: Extractor, *, cache: Path | None = None) -> Features:
    """Compute the features of images, with reports of progress.

    Args:
        images: (n, c, h, w) in storage type, c = 1 or 3; may be mapped from a file.
        extractor: Computes the features.
        cache: Folder of computed features, created if absent; None caches nothing. Features are
            found by the content of each image and the digest of the extractor, whatever images were
            beside it; a killed run continues after its last complete block. Several processes may
            share the folder. Damaged files are computed again.

    Returns:
        (n, d) finite; the values are those that the extractor computes in float32. With a cache
        every batch has the same size, so that they do not depend on the other images.

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
    if images.shape[1] not in (1, 3):
        raise DataError(
            f"Expected images with 1 or 3 channels, which extractors know, got {images.shape[1]}. "
            "Select or average channels."
        )

    def compute(rows: Rows) -> NDArray[np.float32]:
        return _compute(images, rows, extractor, fill=cache is not None)

    features: StoredFeatures
    if cache is None:
        features = compute(np.arange(len(images), dtype=np.int64))
    else:
        name = f"{extractor.name}-{fingerprint(VERSION, extractor.digest)[:24]}"
        store = FeatureStore(Path(cache) / name, extractor.dimension, np.float32)
        features = store.features(image_keys(images), compute)
    report(f"features: {extractor.name}", len(images), len(images))
    return features.astype(np.float64)


def seconds_for(extractor: Extractor, n: int, images: ImageSource) -> float:
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
    images: ImageSource, rows: Rows, extractor: Extractor, *, fill: bool
) -> NDArray[np.float32]:
    """Compute the features (m, d) of some rows; `fill` repeats rows in an unfilled batch.

    A batch of another size may round differently.
    """
    features = np.empty((len(rows), extractor.dimension), dtype=np.float32)
    for start in range(0, len(rows), STEP):
        batch = rows[start : start + STEP]
        report(f"features: {extractor.name}", int(batch[0]), len(images))
        filled = np.resize(batch, STEP) if fill else batch
        features[start : start + STEP] = extractor(images[filled])[: len(batch)]
    if not np.isfinite(features).all():
        raise DataError(
            f"The features of {extractor.name} are not finite. Check the weights and the images."
        )
    return features
