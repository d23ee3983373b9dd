"""Ask the C library to keep the memory that tensors free for the tensors that follow."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NEVER = 2**31 - 1  # bytes; free memory at the end of the heap stays there
SIZES = (2**30, 2**25)  # bytes; buffers below are kept. Older versions accept the second alone


@cache
def keep_freed_memory() -> bool:
    """Change the allocator of this process, once; return whether it was changed.

    The C library of GNU maps large buffers when they are allocated and gives them back when they
    are freed, so that every step of a training clears the same pages again. Kept instead, training
    and prediction are faster (`benchmarks/allocator.py`) and their results the same bits. Nothing
    happens with another C library.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.

    See Also:
        give_back_freed_memory: Without it the process holds the most memory that it has needed.
    """
    mallopt = _function_of_glibc("mallopt")
    if mallopt is None:
        return False
    is_mapped_less = any(mallopt(M_MMAP_THRESHOLD, size) for size in SIZES)
    return bool(is_mapped_less and mallopt(M_TRIM_THRESHOLD, NEVER))


def give_back_freed_memory() -> None:
    """Give the system back what was freed and kept, as between two cells.

    Source: malloc_trim(3).
    """
    trim = _function_of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _function_of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of GNU's C library; None with another one."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)  # musl has neither
