"""`ImageRows`: images by reference; splits and resampled sets copy row numbers, not pixels."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MOST_COPIED = 2**28  # bytes of images that are selected and joined as copies, unless limited
BLOCK = 2**24  # bytes of images that are gathered at once where all are read
DIGEST = 16  # bytes of the hash of an image
_limit = MOST_COPIED  # of this process, its threads included


def most_copied() -> int:
    """Return the bytes of images up to which this process copies them; more are by reference."""
    return _limit


def limit_copies(n_bytes: int) -> None:
    """Let this process copy at most so many bytes of images at once."""
    global _limit  # noqa: PLW0603 (a property of the process, as its memory is)
    _limit = n_bytes


@contextmanager
def copies_up_to(n_bytes: int) -> Iterator[None]:
    """Limit the copies of this process inside the block.

    Example:
        >>> rows = by_reference(np.zeros((4, 1, 2, 2), dtype=np.uint8))
        >>> with copies_up_to(8):
        ...     type(select(rows, slice(0, 2))).__name__, type(select(rows, slice(0, 3))).__name__
        ('ndarray', 'ImageRows')
    """
    before = _limit
    limit_copies(n_bytes)
    try:
        yield
    finally:
        limit_copies(before)


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when it was mapped: another one may have its name since."""

    path: Path
    device: int
    inode: int
    mode: int

    @classmethod
    def of(cls, path: Path) -> "StoredFile":
        """Describe a file."""
        status = path.stat()
        return cls(path.absolute(), status.st_dev, status.st_ino, status.st_mode)

    def linked_as(self, path: Path, *, mode: int) -> bool:
        """Make `path` a second name of the file, if it is still there and has this mode.

        Returns:
            Whether it was made; it cannot be on another file system.
        """
        if self.mode & 0o777 != mode:
            return False
        try:
            os.link(self.path, path)
        except (OSError, NotImplementedError):
            return False
        if StoredFile.of(path).inode == self.inode:
            return True
        path.unlink()
        return False


class ImageArray:
    """An array of images whose rows are hashed once, however many sets refer to it.

    Attributes:
        pixels: (n, c, *spatial).
        file: The file in which `pixels` are stored with nothing else; None where there is none.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        *,
        digests: NDArray[np.uint8] | None = None,
        file: StoredFile | None = None,
    ) -> None:
        self.pixels = pixels
        self.file = file
        self._stored = digests

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """(n, 16) the first bytes of the SHA-256 of each image, of its pixels alone."""
        if self._stored is not None:
            return self._stored
        digests = bytearray()
        for block in blocks(self.pixels):
            for image in np.ascontiguousarray(block):
                digests += hashlib.sha256(image.data).digest()[:DIGEST]
        return np.frombuffer(bytes(digests), dtype=np.uint8).reshape(-1, DIGEST)


class ImageRows:
    """Images (n, c, *spatial) that stay where they are: rows of arrays, most often mapped files.

    It is read like an array. Indexing along the first axis copies the images that it returns, so
    that a training gathers its batches; `select` and `joined` copy row numbers only.

    Args:
        sources: Arrays (m, c, *spatial) of one shape and type, or `ImageArray`s.
        positions: (n,) rows of the sources, which are counted through: those of the second one
            begin where the first one ends.

    Attributes:
        shape: (n, c, *spatial).
        dtype: Storage type.
        synthetic: (n,) True where an image is synthetic; None where nobody says, as in what is
            selected from them. See `equipoise.marked_images`.

    Example:
        >>> films = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
        >>> rows = ImageRows([films], np.array([4, 0, 4]))
        >>> rows.shape, rows[1:].ravel().tolist()
        ((3, 1, 1, 1), [0, 4])
        >>> select(rows, np.array([True, False, True]))[:].ravel().tolist()
        [4, 4]
    """

    def __init__(
        self, sources: Sequence[NDArray[Any] | ImageArray], positions: NDArray[np.int64]
    ) -> None:
        arrays = []
        for source in sources:
            arrays.append(source if isinstance(source, ImageArray) else ImageArray(source))
        self.sources = tuple(arrays)
        self.positions = positions
        first = arrays[0].pixels
        self.dtype = first.dtype
        self.shape: tuple[int, ...] = (len(positions), *first.shape[1:])
        self.synthetic: NDArray[np.bool_] | None = None
        self._starts = np.cumsum([0, *map(len, arrays)])

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

    @property
    def digests(self) -> NDArray[np.uint8]:
        """(n, 16) hashes of the images, which are computed once for each source."""
        return np.concatenate([source.digests for source in self.sources])[self.positions]

    @property
    def file(self) -> StoredFile | None:
        """The file that contains exactly these images in this order; None where there is none."""
        source, *further = self.sources
        is_whole = not further and np.array_equal(self.positions, np.arange(len(source)))
        return source.file if is_whole else None

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
        return gathered if np.ndim(positions) else np.asarray(gathered[0])

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
            images: NDArray[Any] = np.asarray(self.sources[0].pixels[positions])
            return images
        images = np.empty((len(positions), *self.shape[1:]), dtype=self.dtype)
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        for number in np.unique(numbers).tolist():
            of_source = numbers == number
            rows = positions[of_source] - self._starts[number]
            images[of_source] = self.sources[number].pixels[rows]
        return images


ImageSource = NDArray[Any] | ImageRows  # (n, c, *spatial) in storage type


def by_reference(images: ImageSource | ImageArray) -> ImageRows:
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
        return selected if selected.nbytes > most_copied() else np.asarray(selected)
    array: NDArray[Any] = images[rows]
    return array


def joined(parts: Sequence[ImageSource]) -> ImageSource:
    """Return images one after the other: an array, or by reference where a part is so.

    Args:
        parts: Images of one shape and storage type.
    """
    if not any(isinstance(part, ImageRows) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    sources: list[ImageArray] = []
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
