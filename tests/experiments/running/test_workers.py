"""What reaches worker processes, and what the parent makes of their messages."""

import errno
import os
import signal
import sys
from collections import deque
from multiprocessing import Pipe
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from equipoise.exceptions import CrowdedDeviceError
from equipoise.experiments.running.protocols import Observer
from equipoise.experiments.running.workers import (
    Worker,
    ending_signals_blocked,
    unguarded_script_aside,
    work,
)
from equipoise.runs.cell import Cell

CELL = Cell("none", "split-0", 0)


ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
@pytest.mark.parametrize("name", ENDING)
def test_a_signal_ends_a_program_after_the_process_that_it_starts_has_begun(name: str) -> None:
    """Else that process writes a traceback: its parent was gone before it was told what to do."""
    number = signal.Signals[name]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    came: list[int] = []
    handler = signal.signal(number, lambda number, _: came.append(number))
    try:
        with ending_signals_blocked():
            os.kill(os.getpid(), number)
            assert not came
        assert came == [number]
    finally:
        signal.signal(number, handler)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_without_guard_is_not_run_again_by_workers(
    guarded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ModuleType("__main__")
    script.__file__ = str(tmp_path / "script.py")
    guard = "if __name__ == '__main__':\n    " if guarded else ""
    (tmp_path / "script.py").write_text(f"{guard}run()\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "__main__", script)
    with unguarded_script_aside():
        assert (sys.modules["__main__"] is script) == guarded
    assert sys.modules["__main__"] is script


def test_a_program_that_is_piped_in_has_no_script_to_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = ModuleType("__main__")
    program.__file__ = "<stdin>"
    monkeypatch.setitem(sys.modules, "__main__", program)
    with unguarded_script_aside():
        assert sys.modules["__main__"] is not program


class FullDisk:
    """A task, and its portable form, that cannot store anything."""

    def open(self) -> "FullDisk":
        return self

    def train(self, cell: Cell, listener: Any, *, alone: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(cell))


class EndsAfter:
    """A connection that has one cell, and then no parent."""

    def __init__(self) -> None:
        self.cells = deque([CELL])
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def recv(self) -> tuple[Cell, bool]:
        if not self.cells:
            raise EOFError
        return self.cells.popleft(), True


class Crowd(FullDisk):
    def train(self, cell: Cell, listener: Any, *, alone: bool) -> None:
        raise CrowdedDeviceError("too little memory")


def test_a_worker_that_finds_too_little_memory_beside_others_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices: list[str] = []
    monkeypatch.setattr("torch.cuda.set_device", devices.append)
    connection: Any = EndsAfter()
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(EOFError):
        work(connection, Crowd(), 1, "cuda:1")  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, handler)
    assert connection.sent == [("ready",), ("crowded",)]
    assert devices == ["cuda:1"]


def test_a_full_disk_in_a_worker_is_an_error_of_the_run() -> None:
    connection: Any = EndsAfter()
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(EOFError):
        work(connection, FullDisk(), 1)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, handler)
    (ready,), (kind, error) = connection.sent
    assert (ready, kind, error.errno) == ("ready", "unusable", errno.ENOSPC)
    here, there = Pipe()
    worker = Worker.__new__(Worker)
    worker.connection, worker.cell, worker.observer = here, CELL, Observer()
    there.send((kind, error))
    with pytest.raises(OSError, match="none, split-0, seed 0") as caught:
        worker.listen()
    assert caught.value.errno == errno.ENOSPC


class Unusable:
    """A portable task that no worker can open."""

    def open(self) -> "Unusable":
        raise MemoryError("Unable to allocate 7 GiB")


def test_what_keeps_a_worker_from_starting_is_an_error_of_the_run() -> None:
    connection: Any = EndsAfter()
    handler = signal.getsignal(signal.SIGINT)
    work(connection, Unusable(), 1)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, handler)
    [(kind, error)] = connection.sent
    assert (kind, type(error)) == ("unusable", MemoryError)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_only_ctrl_c_never_reaches_a_worker() -> None:
    blocked = set(map(signal.Signals.__getitem__, ENDING))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    handler = signal.getsignal(signal.SIGINT)
    connection: Any = EndsAfter()
    try:
        work(connection, Unusable(), 1)  # type: ignore[arg-type]
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) & blocked == {signal.SIGINT}
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert len(connection.sent) == 1
