"""Where cells are trained: in this process, or in worker processes that may die without harm."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

import psutil

from equipoise.experiments.protocol import MOST_WORKERS, check_counts
from equipoise.experiments.running.available_memory import available_memory
from equipoise.experiments.running.environment import available_cores
from equipoise.experiments.running.protocols import CellTask, Executor, Observer
from equipoise.experiments.running.workers import Worker
from equipoise.runs.cell import Cell

WORKER_BYTES = 1.5 * 2**30  # a worker with torch and a small network; only used to choose how many


@dataclass(frozen=True)
class InProcess:
    """Trains one cell after the other in this process, on `n_threads` threads."""

    n_threads: int = 1
    n_workers: int = field(default=1, init=False)
    n_on_machine: int = field(default=1, init=False)

    def free_memory(self, device: str) -> int:
        """See `Executor`."""
        return available_memory(device)

    def limited(self, _n_on_machine: int) -> "InProcess":
        """See `Executor`."""
        return self

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """See `Executor`."""
        import torch

        threads_before = torch.get_num_threads()
        torch.set_num_threads(self.n_threads)
        try:
            for cell in cells:
                observer.began(cell)
                task.train(cell, lambda *report, cell=cell: observer.stepped(cell, *report))
                observer.ended(cell, task.record(cell))
        finally:
            torch.set_num_threads(threads_before)


@dataclass(frozen=True)
class Processes:
    """Trains cells in `n_workers` processes of `n_threads` threads each.

    The images reach the workers as one memory-mapped file. A worker that dies (out of memory, kill
    -9) leaves a failed cell behind and is replaced; when this process dies, its workers end at
    once.

    Raises:
        SettingError: The methods cannot be sent to another process, or workers do not start.
    """

    n_workers: int
    n_threads: int = 1

    @property
    def n_on_machine(self) -> int:
        """See `Executor`."""
        return self.n_workers

    def free_memory(self, device: str) -> int:
        """See `Executor`."""
        return available_memory(device)

    def limited(self, n_on_machine: int) -> "InProcess | Processes":
        """See `Executor`."""
        if n_on_machine == 1:
            return InProcess(self.n_threads)
        return Processes(min(n_on_machine, self.n_workers), self.n_threads)

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """See `Executor`."""
        if not cells:
            return
        portable = task.portable()
        waiting = deque(cells)
        workers: set[Worker] = set()
        n_workers = min(self.n_workers, len(cells))
        try:
            while waiting or workers:
                while waiting and len(workers) < n_workers:
                    workers.add(Worker(task, portable, self.n_threads, waiting, observer))
                by_connection: dict[Any, Worker] = {worker.connection: worker for worker in workers}
                for connection in wait(list(by_connection)):
                    worker = by_connection[connection]
                    if not worker.listen():
                        workers.remove(worker)
        finally:
            for worker in workers:
                worker.kill()


def default_executor(
    device: str = "auto", *, workers: int | None = None, ray: str | None = None
) -> Executor:
    """Choose one worker per core on a CPU, as far as memory allows, and one process on a GPU.

    Every worker computes on one thread, so that a result does not depend on the number of workers.

    Args:
        device: "auto", "cpu", "cuda", ...
        workers: Number of workers; chosen where None.
        ray: Address of a cluster of Ray, which trains the cells; "local" for this machine.

    Raises:
        SettingError: `workers` is not from 1 to `MOST_WORKERS`, or there is no such device.
    """
    check_counts(MOST_WORKERS, workers=workers)
    if ray is not None:
        from equipoise.experiments.running.ray_executor import RayExecutor

        return RayExecutor(ray, workers, device=device)
    from equipoise.training.devices import resolve_device

    if workers is None and resolve_device(device).type == "cpu":
        by_memory = int(psutil.virtual_memory().available // WORKER_BYTES)
        workers = max(1, min(available_cores(), by_memory))
    n_workers = workers or 1
    return Processes(n_workers) if n_workers > 1 else InProcess()
