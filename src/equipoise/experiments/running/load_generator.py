"""`busy_cores`: keep other cores busy while something is timed.

Cells are trained on several cores at once, and a core is up to twice as fast while its neighbors
are idle: they share the clock boost, the caches and the memory bus. A step timed alone would
therefore promise a study half of the time that it takes. The file is its own load program, run by
its path in processes that import nothing but NumPy.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def busy_cores(n: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run `n` single-threaded load processes (none where n < 1) until the block ends."""
    with ExitStack() as stack:
        processes = []
        for _ in range(n):
            command = [sys.executable, "-P", __file__]  # -P: this folder stays out of sys.path
            process = subprocess.Popen(command, env={**os.environ, **ONE_THREAD})  # noqa: S603 (our own file)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        yield processes


def multiply_until_orphaned() -> None:
    """Multiply matrices until the parent process is gone, which may have been killed.

    Ctrl-C reaches all processes of a terminal; the parent ends this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    factor = np.ones((256, 256), np.float32)
    while os.getppid() == parent:
        factor @ factor


if __name__ == "__main__":
    multiply_until_orphaned()
