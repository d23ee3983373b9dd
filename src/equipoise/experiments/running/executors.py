"""Where cells are trained: in this process, or in worker processes that may die without harm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import wait

import psutil

from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import MOST_WORKERS, check_counts
from equipoise.experiments.running.available_memory import available_memory
from equipoise.experiments.running.cell_queue import CellQueue
from equipoise.experiments.running.environment import available_cores
from equipoise.experiments.running.protocols import CellTask, Executor, Observer
from equipoise.experiments.running.workers import CROWDED, DIED, STEP, Worker
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord

LEAST_MEMORY = 2**30  # bytes that can be named as the most that may be used
WORKER_BYTES = 1.5 * 2**30  # a worker with torch and a small network; only used to choose how many


@dataclass(frozen=True)
class InProcess:
    """Trains one cell after the other in this process, on `n_threads` threads."""

    n_threads: int = 1
    max_memory: int | None = None
    n_workers: int = field(default=1, init=False)
    n_on_machine: int = field(default=1, init=False)
    n_sharing: int = field(default=1, init=False)

    def free_memory(self, device: str) -> int:
        """See `Executor`."""
        return available_memory(device)

    def limited(self, _n_sharing: int) -> "InProcess":
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
                task.train(cell, partial(observer.stepped, cell))
                observer.ended(cell, task.record(cell))
        finally:
            torch.set_num_threads(threads_before)


@dataclass(frozen=True)
class Processes:
    """Trains cells in `n_workers` processes of `n_threads` threads each.

    The images reach the workers as one memory-mapped file. A worker that dies (out of memory, kill
    -9) leaves a failed cell behind and is replaced; when this process dies, its workers end at
    once. Cells that share a fit are not trained at once: the first one makes it.

    Attributes:
        n_workers: Cells at once.
        n_threads: CPU threads of each.
        devices: GPUs among which the workers are shared out; empty for the CPU. A cell that finds
            too little memory beside others is trained again alone on its GPU.
        max_memory: See `Executor`.

    Raises:
        SettingError: The methods cannot be sent to another process, or workers do not start.
    """

    n_workers: int
    n_threads: int = 1
    devices: tuple[str, ...] = ()
    max_memory: int | None = None

    def __post_init__(self) -> None:
        check_counts(MOST_WORKERS, n_workers=self.n_workers, n_threads=self.n_threads)

    @property
    def n_on_machine(self) -> int:
        """See `Executor`."""
        return self.n_workers

    @property
    def n_sharing(self) -> int:
        """See `Executor`."""
        return math.ceil(self.n_workers / max(1, len(self.devices)))

    def free_memory(self, device: str) -> int:
        """See `Executor`."""
        return min(map(available_memory, self.devices or (device,)))

    def limited(self, n_sharing: int) -> "InProcess | Processes":
        """See `Executor`."""
        n_workers = min(self.n_workers, n_sharing * max(1, len(self.devices)))
        if n_workers == 1:
            return InProcess(self.n_threads, self.max_memory)
        return replace(self, n_workers=n_workers)

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """See `Executor`."""
        if cells:
            n_workers = min(self.n_workers, len(cells))
            _Crew(replace(self, n_workers=n_workers), cells, task, observer).train()


class _Crew:
    """One call of `Processes.run`: the workers, and the cells that wait for them."""

    def __init__(
        self, executor: Processes, cells: Sequence[Cell], task: CellTask, observer: Observer
    ) -> None:
        self.executor = executor
        self.task = task
        self.portable = task.portable()
        self.observer = observer
        self.queue = CellQueue(cells, task.shared_fits)
        self.crowded: list[Cell] = []  # found too little memory beside other cells
        self.workers: list[Worker] = []

    def train(self) -> None:
        """Train all cells; no worker is left."""
        try:
            while self.queue or self.crowded or any(worker.cell for worker in self.workers):
                self._start_workers()
                self._hand_out()
                by_connection = {worker.connection: worker for worker in self.workers}
                for connection in wait(list(by_connection)):
                    self._listen(by_connection[connection])  # type: ignore[index]
        finally:
            for worker in self.workers:
                worker.kill()

    def _start_workers(self) -> None:
        """Start as many workers as waiting cells may need, each on the GPU with the fewest."""
        while (self.queue or self.crowded) and len(self.workers) < self.executor.n_workers:
            n_on = dict.fromkeys(self.executor.devices or (None,), 0)
            for worker in self.workers:
                n_on[worker.device] += 1
            self.workers.append(
                Worker(
                    self.task,
                    self.portable,
                    self.observer,
                    n_threads=self.executor.n_threads,
                    device=min(n_on, key=n_on.__getitem__),
                )
            )

    def _hand_out(self) -> None:
        """Give idle workers the cells that can be trained now; end those that none waits for."""
        for worker in [worker for worker in self.workers if worker.idle]:
            on_device = [other for other in self.workers if other.device == worker.device]
            beside = [other for other in on_device if other.cell]
            if self.executor.n_sharing > 1 and any(other.alone for other in beside):
                continue
            cell = self.queue.next()
            if cell is not None:
                self.observer.began(cell)
                worker.begin(cell, alone=self.executor.n_sharing == 1)
            elif self.crowded and not beside:
                worker.begin(self.crowded.pop(0), alone=True)
            elif not self.queue and not self.crowded:
                worker.kill()
                self.workers.remove(worker)

    def _listen(self, worker: Worker) -> None:
        """Handle one message of a worker."""
        kind = worker.listen()
        if kind == DIED:
            self.workers.remove(worker)
        if worker.cell is None or kind == STEP:
            return
        if kind == CROWDED:
            self.crowded.append(worker.cell)
        else:
            record = self.task.record(worker.cell)
            self.queue.ended(worker.cell, failed=isinstance(record, FailedCellRecord))
            self.observer.ended(worker.cell, record)
        worker.cell = None


def default_executor(
    device: str = "auto",
    *,
    workers: int | None = None,
    ray: str | None = None,
    max_memory: int | None = None,
) -> Executor:
    """Choose one worker per core on a CPU, as far as memory allows, and one on each GPU.

    More `workers` than GPUs share them: several small cells are then trained at once on each.

    Every worker computes on one thread, so that a result does not depend on the number of workers.

    Args:
        device: "auto", "cpu", "cuda", ...
        workers: Number of workers; chosen where None.
        ray: Address of a cluster of Ray, which trains the cells; "local" for this machine.
        max_memory: Bytes that the cells of a machine, or of each GPU, may use; what is free where
            None.

    Raises:
        SettingError: `workers` is not from 1 to `MOST_WORKERS`, `max_memory` is below 1 GB, or
            there is no such device.
    """
    check_counts(MOST_WORKERS, workers=workers)
    if max_memory is not None and max_memory < LEAST_MEMORY:
        raise SettingError(f"Expected max_memory of at least {LEAST_MEMORY}, got {max_memory}.")
    if ray is not None:
        from equipoise.experiments.running.ray_executor import RayExecutor

        return RayExecutor(ray, workers, device=device, max_memory=max_memory)
    from equipoise.training.devices import gpus_of, resolve_device

    gpus = gpus_of(device)
    n_workers = workers or len(gpus) or 1
    if workers is None and resolve_device(device).type == "cpu":
        available = psutil.virtual_memory().available
        by_memory = int(min(available, max_memory or available) // WORKER_BYTES)
        n_workers = max(1, min(available_cores(), by_memory))
    if n_workers == 1:
        return InProcess(max_memory=max_memory)
    return Processes(n_workers, devices=gpus, max_memory=max_memory)
