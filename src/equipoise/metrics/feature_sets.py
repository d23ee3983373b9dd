"""Sets of feature vectors: their shape, and a walk through pairs of them in bounded memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError

Features = NDArray[np.float64]  # (n, d)
Patients = NDArray[np.int64]  # (n,)

BLOCK = 4_000_000  # pairs at once: 32 MB


def check_features(*sets: Features, fewest: int = 2) -> list[Features]:
    """Return sets of feature vectors as float64 if they are finite and of one length.

    Raises:
        DataError: Not of shape (n, d), fewer than `fewest` rows, another d, or values that are not finite.
    """
    arrays = [np.asarray(x, dtype=np.float64) for x in sets]
    if any(
        x.ndim != 2 or len(x) < fewest or x.shape[1:] != arrays[0].shape[1:] or x.size == 0
        for x in arrays
    ):
        shapes = " and ".join(str(x.shape) for x in arrays)
        raise DataError(
            f"Expected features of shape (n, d), n at least {fewest}, d the same, got {shapes}."
        )
    if not all(np.isfinite(x).all() for x in arrays):
        raise DataError(
            "Expected finite features, got NaN or infinity. Check the images and the extractor."
        )
    return arrays


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Cut the rows of an (n_rows, n_columns) matrix into slices of at most `BLOCK` values."""
    step = max(1, BLOCK // n_columns)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))
