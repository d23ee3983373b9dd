"""Train cells on a Ray cluster, or by Ray on this machine: `pip install 'equipoise[ray]'`.

Ray starts the workers, sends them the study once and each cell as one task, and notices nodes that
are lost. What a cell yields comes back as one package of bytes, which the driver writes, so that no
node needs to see the run folder. Where all do, they use its workspace: checkpoints survive the loss
of a node, and large data sets stay in a file. Ray's usage statistics are off.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from equipoise.atomic import atomic_file
from equipoise.exceptions import SettingError
from equipoise.experiments.running.available_memory import available_memory
from equipoise.experiments.running.cell_queue import CellQueue
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.protocols import CellTask, Observer
from equipoise.experiments.running.ray_worker import (
    Reports,
    Shipment,
    Surroundings,
    look_around,
    train_cell,
)
from equipoise.runs.cell import Cell
from equipoise.runs.package import pack

LOCAL = "local"  # Ray of this machine, as `ray.init` calls it
INSTALL = "pip install 'equipoise[ray]'"
ATTEMPTS = 3  # workers that a cell may lose
POLL_SECONDS = 0.5
CONNECT_SECONDS = 60.0
SHARE_OF_STORE = 0.5  # of an object store that the study may fill
PREPARED = ["frozen"]  # entries of a workspace that are made before the first cell
LOST = (
    "{} workers were lost while they trained this cell, often for lack of memory ({}). "
    "Run again with fewer --workers."
)


@dataclass(frozen=True)
class RayExecutor:
    """Trains each cell as a task of Ray.

    A worker or node that is lost in mid-cell costs the cell another attempt, elsewhere; a cell that
    loses three workers is a failed cell.

    Attributes:
        address: Of a running cluster ("HOST:6379", or "auto" on one of its nodes); "local" starts
            Ray on this machine, until this process ends.
        workers: Most cells at once; as many as there are CPUs or GPUs where None.
        n_threads: CPU threads of each cell.
        device: Device of the methods; on "cuda", or on "auto" where the cluster has GPUs, each cell
            reserves one GPU.
        cpus_per_cell: CPUs that a cell reserves, at least its threads: more where its memory allows
            fewer cells on a node than there are CPUs.

    Raises:
        SettingError: Ray is not installed, the cluster does not answer, runs another version, or
            cannot hold the images; a node does not see files that it needs.

    Example:
        >>> from equipoise.experiments.running.runner import run_study
        >>> run_study(study, "runs/films", executor=RayExecutor())  # doctest: +SKIP
    """

    address: str = LOCAL
    workers: int | None = None
    n_threads: int = 1
    device: str = "auto"
    cpus_per_cell: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        import_ray()
        if self.workers is not None and self.workers < 1:
            raise SettingError(f"Expected at least 1 worker, got {self.workers}.")

    @property
    def n_workers(self) -> int:
        """See `Executor`; it changes when nodes join or leave."""
        total = sum(map(self._cells_on, self.nodes()))
        return max(1, total if self.workers is None else min(total, self.workers))

    @property
    def n_on_machine(self) -> int:
        """See `Executor`; of the largest node."""
        most = max(map(self._cells_on, self.nodes()))
        return max(1, most if self.workers is None else min(most, self.workers))

    def free_memory(self, device: str) -> int:
        """See `Executor`; of the smallest node, and of this machine if Ray runs here only."""
        if self.address == LOCAL or self._uses_gpus():
            return available_memory(device)
        return int(min(node["Resources"].get("memory", 0) for node in self.nodes()))

    def limited(self, n_on_machine: int) -> "RayExecutor":
        """See `Executor`; each cell then reserves a larger share of the CPUs of its node."""
        largest = max(node["Resources"].get("CPU", 0) for node in self.nodes())
        return replace(self, cpus_per_cell=largest / n_on_machine)

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """See `Executor`."""
        if cells:
            _Run(self, task, observer).train(cells)

    @property
    def reserved(self) -> dict[str, float]:
        """What each cell reserves, as arguments of a task of Ray."""
        cpus = max(float(self.n_threads), self.cpus_per_cell)
        return {"num_cpus": cpus, "num_gpus": 1.0 if self._uses_gpus() else 0.0}

    def connected(self) -> ModuleType:
        """Return Ray, connected to the cluster or started on this machine.

        Raises:
            SettingError: The cluster does not answer, or runs another version.
        """
        ray = import_ray()
        if not ray.is_initialized():
            cpus = None if self.workers is None else self.workers * self.n_threads
            connect(ray, self.address, cpus)
        return ray

    def _cells_on(self, node: Mapping[str, Any]) -> int:
        resources = node["Resources"]
        cells = int(resources.get("CPU", 0) // max(float(self.n_threads), self.cpus_per_cell))
        return min(cells, int(resources.get("GPU", 0))) if self._uses_gpus() else cells

    def _uses_gpus(self) -> bool:
        if self.device == "auto":
            return any(node["Resources"].get("GPU", 0) >= 1 for node in self.nodes())
        return self.device.startswith("cuda")

    def nodes(self) -> list[dict[str, Any]]:
        """Return Ray's records of the nodes that live."""
        return [node for node in self.connected().nodes() if node["Alive"]]


class _Run:
    """One call of `RayExecutor.run`: what has been sent, and what has not come back yet."""

    def __init__(self, executor: RayExecutor, task: CellTask, observer: Observer) -> None:
        self.executor = executor
        self.task = task
        self.observer = observer
        self.ray = executor.connected()
        self.cell_of: dict[Any, Cell] = {}  # reference of a package that is awaited -> its cell
        self.fits_of: dict[Cell, Any] = {}  # cell -> reference of the fits that it sent
        self.n_lost: dict[Cell, int] = {}
        self.reports = self.ray.remote(num_cpus=0)(Reports).remote()
        self.shipment = self.ray.put(self._ship())
        # Lost workers are counted here, so that Ray's own retries stay off.
        self.remote = self.ray.remote(num_returns=2, max_retries=0)(train_cell)

    def train(self, cells: Sequence[Cell]) -> None:
        """Train the cells and store what comes back."""
        queue = CellQueue(cells, self.task.shared_fits)
        try:
            while queue or self.cell_of:
                self._send(queue)
                done, _ = self.ray.wait(list(self.cell_of), timeout=POLL_SECONDS)
                self._pass_on_reports()
                for reference in done:
                    self._receive(reference, queue)
        finally:
            for reference in self.cell_of:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self.reports)

    def _send(self, queue: CellQueue) -> None:
        """Send as many cells as can be trained at once."""
        for _ in range(self.executor.n_workers - len(self.cell_of)):
            cell = queue.next()
            if cell is None:
                return
            makers = [self.fits_of[maker] for maker in queue.makers(cell) if maker in self.fits_of]
            package, fits = self.remote.options(**self.executor.reserved).remote(
                [self.shipment],
                cell,
                [self.fits_of[maker] for maker in makers],
                self.reports,
                n_threads=self.executor.n_threads,
                send_fits=queue.has_followers(cell),
            )
            self.cell_of[package] = cell
            self.fits_of[cell] = fits
            if cell not in self.n_lost:
                self.n_lost[cell] = 0
                self.observer.began(cell)

    def _receive(self, reference: Any, queue: CellQueue) -> None:
        """Store a cell that came back; try one whose worker was lost again."""
        cell = self.cell_of.pop(reference)
        try:
            package = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:  # it is stored and shown
            del self.fits_of[cell]
            self.task.fail(cell, str(error.cause or error))
        except self.ray.exceptions.RayError as error:
            del self.fits_of[cell]
            self.n_lost[cell] += 1
            if self.n_lost[cell] < ATTEMPTS:
                queue.again(cell)
                return
            self.task.fail(cell, LOST.format(ATTEMPTS, type(error).__name__))
        else:
            self.task.accept(cell, package)
        queue.ended(cell)
        self.observer.ended(cell, self.task.record(cell))

    def _pass_on_reports(self) -> None:
        training = set(self.cell_of.values())
        for cell, report in self.ray.get(self.reports.fetch.remote()).items():
            if cell in training:
                self.observer.stepped(cell, *report)

    def _ship(self) -> Shipment:
        """Return the study as the workers of this cluster can open it.

        Raises:
            SettingError: Nodes have other versions, or neither enough memory nor the files.
        """
        blind = self._blind_nodes()
        shared = not blind
        prepared = b"" if shared else pack(self.task.workspace, names=PREPARED)
        task = self.task.with_images()
        smallest = min(
            node["Resources"].get("object_store_memory", 0) for node in self.executor.nodes()
        )
        n_bytes = task.n_bytes + len(prepared)
        if n_bytes > SHARE_OF_STORE * smallest:
            if not shared:
                raise SettingError(
                    f"Expected nodes whose object store has at least {gb(2 * n_bytes)}, or that "
                    f"see {self.task.workspace}, because the images need {gb(n_bytes)}; got an "
                    f"object store of {gb(smallest)}, and {', '.join(blind)} without the folder. "
                    "Start the nodes with a larger --object-store-memory, or write the run with "
                    "--out into a folder that all nodes share."
                )
            task = self.task.portable()
        return Shipment(task=task, shared=shared, prepared=prepared)

    def _blind_nodes(self) -> list[str]:
        """Return the names of nodes without the run folder.

        Raises:
            SettingError: A node has other versions of what results depend on.
        """
        token = uuid4().hex
        with witness_file(self.task.workspace, token) as path:
            answers = {}
            ask = self.ray.remote(num_cpus=0, max_retries=ATTEMPTS)(look_around)
            for node in self.executor.nodes():
                here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                    node["NodeID"], soft=False
                )
                name = node["NodeManagerHostname"]
                answers[name] = ask.options(scheduling_strategy=here).remote(path, token)
            surroundings: dict[str, Surroundings] = {}
            for name, answer in answers.items():
                surroundings[name] = self._answer(name, answer)
        return [name for name, node in surroundings.items() if not node.sees_run]

    def _answer(self, name: str, reference: Any) -> Surroundings:
        try:
            answer: Surroundings = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            raise SettingError(
                f"Expected equipoise {versions()['equipoise']} on the node {name}, got: {last} "
                "Install the same packages on all nodes."
            ) from error
        for package, version in versions().items():
            if answer.versions[package] != version:
                raise SettingError(
                    f"Expected {package} {version} on the node {name}, as here, got "
                    f"{answer.versions[package]}. Install the same packages on all nodes, or "
                    "results would depend on the node."
                )
        return answer


@contextmanager
def witness_file(folder: Path, token: str) -> Iterator[Path]:
    """Write a token into a file of a folder, for others to read; remove the file at the end."""
    path = folder.absolute() / f"ray-{token}"
    with atomic_file(path) as temporary:
        temporary.write_text(token, encoding="ascii")
    try:
        yield path
    finally:
        path.unlink()


def import_ray() -> ModuleType:
    """Return Ray, which sends no usage statistics.

    Raises:
        SettingError: It is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise SettingError(
            f"Expected Ray for --executor ray (RayExecutor), which is not installed: {INSTALL}"
        ) from error
    module: ModuleType = ray
    return module


def connect(ray: ModuleType, address: str, n_cpus: int | None) -> None:
    """Connect to a cluster, or start Ray on this machine.

    Ray would handle SIGTERM in place of this process; the earlier handler stays.

    Args:
        ray: The module.
        address: See `RayExecutor`.
        n_cpus: CPUs of a Ray of this machine; all where None.

    Raises:
        SettingError: The cluster does not answer, or runs another version.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main_thread else None
    of_local: dict[str, Any] = {"num_cpus": n_cpus, "include_dashboard": False}
    try:
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(of_local if address == LOCAL else {}),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise SettingError(
            f"Expected a Ray cluster of the same versions at --ray-address {address}, got: {first} "
            "`ray status` on its head node says whether it runs; `ray start --head` starts one."
        ) from error
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def gb(n_bytes: float) -> str:
    """Format bytes as GB of 2^30 bytes."""
    return f"{n_bytes / 2**30:.1f} GB"
