"""Ask the C library to keep the memory that tensors free for the tensors that follow."""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NEVER = 2**31 - 1  # bytes; free memory at the end of the heap stays there
SIZES = (2**30, 2**25)  # bytes; buffers below are kept. Older versions accept the second alone


@cache
def keep_freed_memory() -> bool:
    """Change the allocator of this process, once; return whether it was changed.

    The C library of GNU maps large buffers when they are allocated and gives them back when they
    are freed, so that every step of a training clears the same pages again. Kept instead, training
    and prediction are faster (`benchmarks/allocator.py`) and their results the same bits; the
    process holds the most memory that it has needed until it ends. Nothing happens with another C
    library.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    kept = any(mallopt(M_MMAP_THRESHOLD, size) for size in SIZES)
    return bool(kept and mallopt(M_TRIM_THRESHOLD, NEVER))
