"""Worker processes: one that dies leaves a failed cell behind and nothing else."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from os import _exit
from pathlib import Path
from pickle import PicklingError
from time import monotonic
from types import ModuleType
from typing import Any

from equipoise.exceptions import CrowdedDeviceError, SettingError
from equipoise.experiments.running.protocols import CellTask, Observer, PortableTask
from equipoise.runs.cell import Cell
from equipoise.training.allocator import keep_freed_memory
from equipoise.training.progress import Listener

SECONDS_BETWEEN_REPORTS = 0.2
# kinds of messages of a worker; the last one is its silence
READY, STEP, ENDED, CROWDED, UNUSABLE = "ready", "step", "ended", "crowded", "unusable"
DIED = "died"
DIED_EARLY = (
    "A worker process {} before it started on a cell. A script that runs a study needs "
    "`if __name__ == '__main__':` around it; or train in this process: --workers 1, "
    "executor=InProcess()."
)
DIED_AT_WORK = (
    "The worker process {} while training this cell, often for lack of memory. "
    "Run again with fewer --workers."
)


class Worker:
    """The parent's side of a worker process: starts it, sends it cells, receives its messages.

    Args:
        task: Stores the cell of a worker that dies.
        portable: The same task, for the process.
        observer: Receives the progress.
        n_threads: CPU threads of the process.
        device: GPU of the process, "cuda:0" and so on; None where it needs none, or any.
    """

    def __init__(
        self,
        task: CellTask,
        portable: PortableTask,
        observer: Observer,
        *,
        n_threads: int = 1,
        device: str | None = None,
    ) -> None:
        self.task = task
        self.observer = observer
        self.device = device
        self.cell: Cell | None = None
        self.alone = False  # whether its cell shares the device with no other
        self.ready = False
        context = get_context("spawn")
        self.connection, child_connection = context.Pipe()
        arguments = (child_connection, portable, n_threads, device)
        self.process: SpawnProcess = context.Process(target=work, args=arguments, daemon=True)
        try:
            with ending_signals_blocked(), unguarded_script_aside():
                self.process.start()
        except (PicklingError, TypeError, AttributeError) as error:
            raise SettingError(
                f"Cannot send the methods to worker processes: {error}. Define their classes and "
                "functions in a module that can be imported, or put the script that runs the study "
                "under `if __name__ == '__main__':`; or train in this process: --workers 1, "
                "executor=InProcess()."
            ) from error
        child_connection.close()  # only the worker holds that end now, so its death is noticed

    @property
    def idle(self) -> bool:
        """Whether the worker waits for a cell."""
        return self.ready and self.cell is None

    def begin(self, cell: Cell, *, alone: bool) -> None:
        """Send a cell; see `CellTask.train`."""
        self.cell, self.alone = cell, alone
        with suppress(BrokenPipeError):  # it has just died; the next `listen` notices
            self.connection.send((cell, alone))

    def listen(self) -> str:
        """Handle one message of the worker and return its kind.

        Raises:
            Exception: What keeps the worker, and so any other, from training or storing a cell: a
                full disk, too little memory, damaged images.
            SettingError: The worker died before it started on a cell; the next one would die too.
        """
        try:
            kind, *report = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._handle_death()
            return DIED
        if kind == STEP and self.cell:
            self.observer.stepped(self.cell, *report)
        elif kind == UNUSABLE:
            raise report[0]
        self.ready = True
        return str(kind)

    def kill(self) -> None:
        """End the process at once; everything that it writes is atomic."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _handle_death(self) -> None:
        """Store the cell of a dead worker as failed; raise where there could not be one yet."""
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        how = f"ended with code {code}"
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        if not self.ready:
            raise SettingError(DIED_EARLY.format(how))
        if self.cell:
            self.task.fail(self.cell, DIED_AT_WORK.format(how))


def work(
    connection: Connection, portable: PortableTask, n_threads: int, device: str | None = None
) -> None:
    """Train the cells that arrive through the connection until killed; the worker's side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGHUP))
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        import torch

        keep_freed_memory()
        torch.set_num_threads(n_threads)
        if device is not None:
            torch.cuda.set_device(device)  # what "cuda" and "auto" mean in this process
        task = portable.open()
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        connection.send((UNUSABLE, error))
        return
    connection.send((READY,))

    def report(*step: object) -> None:
        connection.send((STEP, *step))

    while True:
        cell, alone = connection.recv()
        try:
            task.train(cell, throttled(report), alone=alone)
        except CrowdedDeviceError:
            connection.send((CROWDED,))
        except OSError as error:  # not even the failure could be written
            connection.send((UNUSABLE, error))
        else:
            connection.send((ENDED,))


@contextmanager
def unguarded_script_aside() -> Iterator[None]:
    """Keep the processes that the block starts from importing a script that would run again.

    Spawned processes import the script of their parent, so that they find what it defines. One
    without `if __name__ == "__main__":` would start its study in each of them.
    """
    script = sys.modules["__main__"]
    path = Path(getattr(script, "__file__", None) or "")  # "<stdin>" of a program that is piped in
    if not path.is_file() or "__name__" not in path.read_text("utf-8", errors="replace"):
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def ending_signals_blocked() -> Iterator[None]:
    """Let no signal end this process while the block starts others, which would be left half begun.

    The processes that it starts never see Ctrl-C, which reaches all processes of a terminal: the
    parent ends its workers. `work` lets the other signals reach them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would unblock Ctrl-C
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    handlers: dict[int, Any] = {}
    delayed: list[int] = []  # signals that reached another thread, which does not block them
    if threading.current_thread() is threading.main_thread():
        for number in signals:
            handlers[number] = signal.signal(number, lambda came, _: delayed.append(came))
    try:
        yield
    finally:
        for ending, handler in handlers.items():
            signal.signal(ending, signal.SIG_DFL if handler is None else handler)
        for came in delayed:
            signal.raise_signal(came)  # to this thread, which still blocks it
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def throttled(listener: Listener, *, seconds: float = SECONDS_BETWEEN_REPORTS) -> Listener:
    """Return a listener that passes on one report in so many seconds."""
    last = -seconds

    def listen(name: str, step: int, n_steps: int) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= seconds:
            last = now
            listener(name, step, n_steps)

    return listen


def _die_with_parent() -> None:
    """End this process when its parent is gone, whatever this one is doing."""
    if parent := parent_process():
        wait([parent.sentinel])
        _exit(1)
