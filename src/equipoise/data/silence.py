"""Keep Pillow and libtiff from writing to the terminal about damaged files: what matters is raised."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()  # warning filters and standard error belong to the whole process


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings, and libtiff, which writes to the process's standard error past Python.

    For the thread that starts the decoding ones. Whatever is written to standard error meanwhile is lost.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings(), _muted():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _muted() -> Iterator[None]:
    if sys.__stderr__ is None:  # a program without a terminal
        yield
        return
    sys.__stderr__.flush()
    error = sys.__stderr__.fileno()
    kept, nowhere = os.dup(error), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, error)
        yield
    finally:
        os.dup2(kept, error)
        os.close(kept)
        os.close(nowhere)
