"""What a machine runs out of: disk, memory, open files. Recognized in errors of any library."""

import errno
import re
from collections.abc import Collection, Iterator

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
# What libraries write where their errors have no number; the last is of NumPy.
_OF_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\d requested and \d+ written"
)
_OF_FILES = re.compile("Too many open files")
_OF_MEMORY = re.compile(
    "allocate memory|out of memory|can't start new thread|failed to map segment"
)


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error says that a file could not grow, itself or by what led to it.

    Example:
        >>> is_full_disk(OSError(28, "No space left on device"))
        True
    """
    return _says(error, FULL_DISK, _OF_DISK)


def is_out_of_files(error: BaseException) -> bool:
    """Return whether too many files are open: nothing is wrong with the one that was opened.

    Example:
        >>> is_out_of_files(OSError(24, "Too many open files"))
        True
    """
    return _says(error, (errno.EMFILE, errno.ENFILE), _OF_FILES)


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
    is_memory = any(isinstance(link, MemoryError) for link in _chain(error))
    return _MEMORY if is_memory or _says(error, (errno.ENOMEM,), _OF_MEMORY) else ""


def _says(error: BaseException, numbers: Collection[int], words: re.Pattern[str]) -> bool:
    """Return whether an error, or one that led to it, has one of the numbers or words."""
    for link in _chain(error):
        number = link.errno if isinstance(link, OSError) else None
        if number in numbers or words.search(str(link)):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that led to it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
