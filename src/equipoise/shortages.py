"""What a machine runs out of: disk, memory, open files. Recognized in errors of any library."""

import errno
import re
from collections.abc import Iterator

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = (
    "The disk is full (that of --out, or of the cache: equipoise cache), or a limit on files was "
    "reached (a quota, ulimit -f): make room first."
)
_OPEN_FILES = "Raise the limit on open files (ulimit -n), or use fewer --workers."
_MEMORY = (
    "Close other programs, use fewer --workers, smaller images or networks, or raise the limit on "
    "memory (ulimit -v)."
)
_TOO_MANY = "Too many open files"
# What libraries write where their errors have no number; the last is of NumPy.
_OF_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\d requested and \d+ written"
)
_OF_MEMORY = re.compile(
    "allocate memory|out of memory|can't start new thread|failed to map segment"
)


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error says that a file could not grow, itself or by what led to it.

    Example:
        >>> is_full_disk(OSError(28, "No space left on device"))
        True
    """
    for link in _chain(error):
        number = link.errno if isinstance(link, OSError) else None
        if number in FULL_DISK or _OF_DISK.search(str(link)):
            return True
    return False


def is_out_of_files(error: BaseException) -> bool:
    """Return whether too many files are open: nothing is wrong with the one that was opened.

    Example:
        >>> is_out_of_files(OSError(24, "Too many open files"))
        True
    """
    for link in _chain(error):
        number = link.errno if isinstance(link, OSError) else None
        if number in (errno.EMFILE, errno.ENFILE) or _TOO_MANY in str(link):
            return True
    return False


def remedy(error: BaseException) -> str:
    """Return what to do where the machine ran out of something; empty for other errors.

    Example:
        >>> remedy(OSError(24, "Too many open files"))
        'Raise the limit on open files (ulimit -n), or use fewer --workers.'
        >>> remedy(ValueError("a bug"))
        ''
    """
    if is_full_disk(error):
        return _ROOM
    if is_out_of_files(error):
        return _OPEN_FILES
    for link in _chain(error):
        number = link.errno if isinstance(link, OSError) else None
        is_memory = isinstance(link, MemoryError) or _OF_MEMORY.search(str(link))
        if is_memory or number == errno.ENOMEM:
            return _MEMORY
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that led to it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
