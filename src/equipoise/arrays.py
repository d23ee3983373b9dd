"""Image arrays in their storage type: type names, value ranges, quantization and fingerprints."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.image_rows import MOST_COPIED, ImageRows, ImageSource

Images = NDArray[Any]  # (n, c, *spatial) in one of STORAGE_TYPES
Labels = NDArray[np.int64]  # (n,)
LabeledImages = tuple[ImageSource, NDArray[Any]]  # of an estimator: labels of any kind
Rows = NDArray[np.int64]  # row indices into a dataset
Scores = NDArray[np.float64]  # (n, k), each row sums to 1
ValueRange = tuple[float, float]

STORAGE_TYPES = tuple(np.dtype(kind) for kind in (np.uint8, np.uint16, np.int16, np.float32))


def value_range(images: ImageSource) -> ValueRange:
    """Return the values that represent black and white.

    For uint8 they are 0 and 255. For other types they are the extremes of the given images,
    because a 12-bit film stored in 16 bits would otherwise look black; pass training images only.

    Example:
        >>> value_range(np.array([[[[100, 900]]]], dtype=np.uint16))
        (100.0, 900.0)
    """
    if images.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(images.min()), float(images.max())
    return (low, high) if high > low else (low, low + 1.0)


def quantize(unit: NDArray[np.floating[Any]], dtype: np.dtype[Any], span: ValueRange) -> Images:
    """Convert values in [0, 1] (clipped) to a storage type, with a range from `value_range`."""
    low, high = span
    values = np.clip(unit, 0.0, 1.0) * (high - low) + low
    if np.issubdtype(dtype, np.integer):
        values = np.rint(values)
    return np.asarray(values, dtype=dtype)


def fingerprint(*parts: Any) -> str:
    """Return the SHA-256 of arrays (dtype, shape and bytes) and of the `repr` of anything else.

    Images by reference count as an array of them.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray | ImageRows):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            for chunk in _chunks(part):
                digest.update(np.ascontiguousarray(chunk).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.hexdigest()


def content_key(*parts: Any) -> str:
    """Return a fingerprint in which many images by reference count by the hashes of their rows.

    These are computed once for all fits on rows of one set. The same images in an array have
    another key; at most `MOST_COPIED` bytes have one key, whether they were copied or not.
    """
    hashed: list[Any] = []
    for part in parts:
        if isinstance(part, ImageRows) and part.nbytes > MOST_COPIED:
            hashed += [("rows", part.dtype.str, part.shape), part.digests]
        else:
            hashed.append(part)
    return fingerprint(*hashed)


def _chunks(array: ImageSource, rows: int = 1024) -> Iterable[NDArray[Any]]:
    """Yield blocks of the first axis, so that a memory-mapped array is never read whole."""
    if isinstance(array, np.ndarray) and array.ndim == 0:
        return [array]
    return (array[start : start + rows] for start in range(0, len(array), rows))
