"""Sets of feature vectors: their types and shape, and blocks of pairs in bounded memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError

Features = NDArray[np.float64]  # (n, d)
Patients = NDArray[np.int64]  # (n,)

BLOCK = 4_000_000  # pairs at once: 32 MB


def check_features(*sets: Features, fewest: int = 2) -> list[Features]:
    """Return sets of feature vectors as float64 if they are finite and of one length.

    Args:
        sets: (n, d) each.
        fewest: Rows that each must have at least.

    Raises:
        DataError: Not of shape (n, d), fewer than `fewest` rows, another d, or values that are not
            finite.

    Example:
        >>> check_features([[0, 1], [2, 3]])[0].dtype
        dtype('float64')
    """
    arrays = []
    fits = True
    for features in sets:
        array = np.asarray(features, dtype=np.float64)
        arrays.append(array)
        same_length = array.shape[1:] == arrays[0].shape[1:]
        fits &= array.ndim == 2 and len(array) >= fewest and array.size > 0 and same_length
    if not fits:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise DataError(
            f"Expected features of shape (n, d), n at least {fewest}, d the same, got {shapes}."
        )
    for array in arrays:
        if not np.isfinite(array).all():
            raise DataError(
                "Expected finite features, got NaN or infinity. "
                "Check the images and the feature extractor."
            )
    return arrays


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Cut the rows of an (n_rows, n_columns) matrix into slices of at most `BLOCK` values.

    Example:
        >>> list(blocks(5, BLOCK // 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, BLOCK // n_columns)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
