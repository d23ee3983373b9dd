"""Worker processes: one that dies leaves a failed cell behind and nothing else."""

import signal
import threading
from collections import deque
from contextlib import suppress
from dataclasses import fields
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from os import _exit
from pathlib import Path
from pickle import PicklingError
from time import monotonic
from typing import Any

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import SettingError
from equipoise.experiments.running.cell_record import failure
from equipoise.experiments.running.progress import Observer
from equipoise.experiments.running.train_cell import finish
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore
from equipoise.training.progress import Listener

SECONDS_BETWEEN_REPORTS = 0.2
DIED_EARLY = (
    "A worker process {} before it took any work. A script that runs a study needs `if __name__ == '__main__':` "
    "around it; or train in this process: --workers 1, executor=InProcess()."
)
DIED_AT_WORK = "The worker process {} in the middle of this cell, often for lack of memory. Run again with fewer --workers."


class Worker:
    """The near side of a worker process: starts it, gives it cells, hears what becomes of them."""

    def __init__(
        self,
        study: Study,
        store: RunStore,
        n_threads: int,
        waiting: deque[Cell],
        observer: Observer,
    ) -> None:
        self.study, self.store, self.waiting, self.observer = study, store, waiting, observer
        self.cell: Cell | None = None
        self.ready = False
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        luggage = (theirs, _without_images(study), _images_of(study, store), store, n_threads)
        self.process: SpawnProcess = context.Process(target=work, args=luggage, daemon=True)
        try:
            self.process.start()
        except (PicklingError, TypeError, AttributeError) as error:
            raise SettingError(
                f"Cannot send the methods to worker processes: {error}. Define their classes and functions in a "
                "module that can be imported, or train in this process: --workers 1, executor=InProcess()."
            ) from error
        theirs.close()  # now only the worker holds that end, and its death is heard

    def listen(self) -> bool:
        """Take one message; False when the worker has ended."""
        try:
            kind, *rest = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury()
            return False
        if kind == "step" and self.cell:
            self.observer.stepped(self.cell, *rest)
            return True
        self.ready = True
        if self.cell:
            self.observer.ended(self.cell, self.store.record(self.cell))
        return self._give()

    def kill(self) -> None:
        """End the process at once; everything that it writes is atomic."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _give(self) -> bool:
        """Hand out the next cell, or let the worker go."""
        self.cell = self.waiting.popleft() if self.waiting else None
        if self.cell is None:
            self.kill()
            return False
        self.observer.began(self.cell)
        with suppress(BrokenPipeError):  # it has just died, which the next `listen` hears
            self.connection.send(self.cell)
        return True

    def _bury(self) -> None:
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        how = (
            f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        if not self.ready:
            raise SettingError(DIED_EARLY.format(how))
        if self.cell:
            if not self.store.has(self.cell):
                self.store.write_failure(
                    self.cell, failure(self.cell, self.study, DIED_AT_WORK.format(how))
                )
            self.observer.ended(self.cell, self.store.record(self.cell))


def pack_images(study: Study, store: RunStore) -> None:
    """Write the images to where the workers of a study read them."""
    if isinstance(study.dataset, ImageDataset) and not _images_of(study, store).is_dir():
        study.dataset.save(_images_of(study, store))


def work(
    connection: Connection, parts: dict[str, Any], images: Path, store: RunStore, n_threads: int
) -> None:
    """Train the cells that come through the connection, for ever; what a worker process runs."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C goes to all processes; the parent ends its workers
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(n_threads)
    if "dataset" not in parts:
        parts["dataset"] = ImageDataset.load(images, memory_map=True)
    study = Study(**parts)
    connection.send(("ready",))
    while True:
        finish(
            connection.recv(),
            study,
            store,
            _sparing(lambda *report: connection.send(("step", *report))),
        )
        connection.send(("ended",))


def _sparing(listener: Listener) -> Listener:
    """Pass on a few reports a second only."""
    last = -SECONDS_BETWEEN_REPORTS

    def listen(name: str, step: int, n_steps: int) -> None:
        nonlocal last
        if (now := monotonic()) - last >= SECONDS_BETWEEN_REPORTS:
            last = now
            listener(name, step, n_steps)

    return listen


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, whatever this one is doing."""
    if parent := parent_process():
        wait([parent.sentinel])
        _exit(1)


def _images_of(study: Study, store: RunStore) -> Path:
    return store.workspace / "dataset" / study.dataset.fingerprint[:16]


def _without_images(study: Study) -> dict[str, Any]:
    """Give what makes the study, but for its images; volumes are only described here, and lie on disk already."""
    left = {"duplicates", "dataset"} if isinstance(study.dataset, ImageDataset) else {"duplicates"}
    return {f.name: getattr(study, f.name) for f in fields(study) if f.name not in left}
