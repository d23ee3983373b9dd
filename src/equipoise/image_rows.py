"""`ImageRows`: images by reference; splits and resampled sets copy row numbers, not pixels."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LARGE = 2**28  # bytes of images from which on they are selected and joined by reference
BLOCK = 2**24  # bytes of images that are gathered at once where all are read


class ImageRows:
    """Images (n, c, *spatial) that stay where they are: rows of arrays, most often mapped files.

    It is read like an array. Indexing along the first axis copies the images that it returns, so
    that a training gathers its batches; `select` and `joined` copy row numbers only.

    Args:
        sources: Arrays (m, c, *spatial) of one shape and type.
        positions: (n,) rows of the sources, which are counted through: those of the second one
            begin where the first one ends.

    Attributes:
        shape: (n, c, *spatial).
        dtype: Storage type.

    Example:
        >>> films = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
        >>> rows = ImageRows([films], np.array([4, 0, 4]))
        >>> rows.shape, rows[1:].ravel().tolist()
        ((3, 1, 1, 1), [0, 4])
        >>> select(rows, np.array([True, False, True]))[:].ravel().tolist()
        [4, 4]
    """

    def __init__(self, sources: Sequence[NDArray[Any]], positions: NDArray[np.int64]) -> None:
        self.sources = tuple(sources)
        self.positions = positions
        self.dtype = sources[0].dtype
        self.shape: tuple[int, ...] = (len(positions), *sources[0].shape[1:])
        self._starts = np.cumsum([0, *map(len, sources)])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels, channels counted."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of all images, wherever they are."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in blocks(self):
            yield from block

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return an image for a number, and a new array for a slice, rows or a mask.

        Further axes of a tuple are indexed in the images of the first.
        """
        if isinstance(key, tuple):
            first, *further = key
            if first is Ellipsis:
                return np.asarray(self)[key]
            is_one = np.ndim(first) == 0 and not isinstance(first, slice)
            axes = further if is_one else (slice(None), *further)
            selected: NDArray[Any] = self[first][tuple(axes)]
            return selected
        positions = self.positions[key]
        gathered = self._gather(np.atleast_1d(positions))
        image: NDArray[Any] = gathered[0]
        return image if np.ndim(positions) == 0 else gathered

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Copy all images into an array."""
        if copy is False:
            raise ValueError("Images by reference cannot become an array without a copy.")
        images = self[:]
        return images if dtype is None else images.astype(dtype, copy=False)

    def min(self) -> Any:
        """Return the least value."""
        return min(block.min() for block in blocks(self))

    def max(self) -> Any:
        """Return the largest value."""
        return max(block.max() for block in blocks(self))

    def selected(self, rows: Any) -> "ImageRows":
        """Return some of the images by reference; see `select`."""
        return ImageRows(self.sources, self.positions[rows])

    def _gather(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        if len(self.sources) == 1:
            images: NDArray[Any] = np.asarray(self.sources[0][positions])
            return images
        images = np.empty((len(positions), *self.shape[1:]), dtype=self.dtype)
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        for number in np.unique(numbers).tolist():
            of_source = numbers == number
            rows = positions[of_source] - self._starts[number]
            images[of_source] = self.sources[number][rows]
        return images


ImageSource = NDArray[Any] | ImageRows  # (n, c, *spatial) in storage type


def by_reference(images: ImageSource) -> ImageRows:
    """Return images as `ImageRows`."""
    if isinstance(images, ImageRows):
        return images
    return ImageRows([images], np.arange(len(images), dtype=np.int64))


def select(images: ImageSource, rows: Any) -> ImageSource:
    """Return some images: an array, or by reference where they are so and many.

    Args:
        images: (n, c, *spatial).
        rows: Row numbers, which may repeat, a boolean mask (n,), or a slice.
    """
    if isinstance(images, ImageRows):
        selected = images.selected(rows)
        return selected if selected.nbytes > LARGE else np.asarray(selected)
    array: NDArray[Any] = images[rows]
    return array


def joined(parts: Sequence[ImageSource]) -> ImageSource:
    """Return images one after the other: an array, or by reference where a part is so.

    Args:
        parts: Images of one shape and storage type.
    """
    if not any(isinstance(part, ImageRows) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    sources: list[NDArray[Any]] = []
    positions = []
    start = 0
    for part in map(by_reference, parts):
        sources += part.sources
        positions.append(part.positions + start)
        start += sum(map(len, part.sources))
    return ImageRows(sources, np.concatenate(positions))


def blocks(images: ImageSource) -> Iterator[NDArray[Any]]:
    """Yield all images as arrays of at most `BLOCK` bytes, or of one image."""
    n_images = max(1, BLOCK // max(1, images[:1].nbytes))
    for start in range(0, len(images), n_images):
        yield np.asarray(images[start : start + n_images])
