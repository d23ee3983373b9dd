"""Parts of arrays in .npy files, read without mapping the file: memory does not grow with the number of files."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_magic
from numpy.typing import NDArray

from equipoise.exceptions import DataError

KNOWN = 65536  # files whose headers are remembered, some hundred bytes each


class Layout(NamedTuple):
    """Type of the elements, and bytes before the first."""

    dtype: np.dtype[Any]
    offset: int


def read_runs(file: str, runs: Iterable[tuple[int, int]]) -> Iterator[NDArray[Any]]:
    """Read runs of neighboring elements of an array in C order.

    Args:
        file: A .npy file (version 1.0).
        runs: Flat index of the first element of each, and number of elements.

    Raises:
        DataError: The array holds objects or is in another order, or the file ends too early.
    """
    layout = _layout(file)
    width = layout.dtype.itemsize
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123 (a Path takes as long as the reading)
        for start, n in runs:
            opened.seek(layout.offset + start * width)
            content = opened.read(n * width)
            if len(content) < n * width:
                raise DataError(f"{file} ends too early. Delete its folder, and read the cases again.")
            yield np.frombuffer(content, layout.dtype)


@lru_cache(maxsize=KNOWN)
def _layout(file: str) -> Layout:
    with Path(file).open("rb") as opened:
        version = read_magic(opened)
        if version != (1, 0):
            raise DataError(
                f"Expected {file} in version 1.0 of the format, got {version}. Write it with numpy.save."
            )
        _, by_columns, dtype = read_array_header_1_0(opened)
        if by_columns or dtype.hasobject:
            raise DataError(
                f"Expected numbers in C order in {file}, got {dtype}. Delete its folder and read again."
            )
        return Layout(dtype, opened.tell())
