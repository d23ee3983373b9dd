"""Arrays to be filled that need not fit into memory."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.cache import cache_folder
from equipoise.exceptions import SettingError
from equipoise.image_rows import MOST_COPIED, most_copied


def blank_images(shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> Images:
    """Return an array to be filled; one of many bytes (`most_copied`) lies in a temporary file.

    The file has no name: its space is free again when nobody refers to the array, or this process
    has ended. It is in the folder of the cache, or else in that of temporary files.

    Args:
        shape: (n, c, *spatial).
        dtype: Storage type.

    Raises:
        SettingError: There is no room for it.

    Example:
        >>> blank_images((2, 1, 8, 8), np.dtype(np.uint8)).shape
        (2, 1, 8, 8)
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if n_bytes <= most_copied():
        return np.zeros(shape, dtype=dtype)
    folder = cache_folder()
    is_there = folder is not None and folder.is_dir() and os.access(folder, os.W_OK)
    with tempfile.TemporaryFile(dir=folder if is_there else None) as file:
        try:
            if hasattr(os, "posix_fallocate"):  # else a full disk ends the process later
                os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            raise SettingError(
                f"Expected room for {n_bytes / 1e9:.1f} GB of arrays in "
                f"{folder if is_there else tempfile.gettempdir()}, got: {error.strerror}. Free "
                "some space, or name another folder with $EQUIPOISE_CACHE."
            ) from error
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


FILE_BYTES = 2 * MOST_COPIED  # of a temporary file that several arrays share
ALIGNMENT = 64  # bytes


class ScratchArrays:
    """Moves arrays into temporary files, so that many of them need not fit into memory.

    The files are those of `blank_images`; several arrays share each, because a process may have few
    of them open.

    Example:
        >>> scratch = ScratchArrays()
        >>> scratch.moved(np.arange(3)).tolist()
        [0, 1, 2]
    """

    def __init__(self) -> None:
        self._file: NDArray[Any] = np.empty(0, dtype=np.uint8)
        self._used = 0

    def moved(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy that lies in a file, which the system keeps in memory as it has room.

        Raises:
            SettingError: There is no room for it.
        """
        if self._used + array.nbytes > len(self._file):
            n_bytes = max(FILE_BYTES, array.nbytes)
            self._file = np.asarray(blank_images((n_bytes,), np.dtype(np.uint8)))
            self._used = 0
        place = self._file[self._used : self._used + array.nbytes]
        self._used += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        copy = place.view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy
