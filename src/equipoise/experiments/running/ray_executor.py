"""Train cells on a Ray cluster, or by Ray on this machine: `pip install 'equipoise[ray]'`.

Ray starts the workers, sends them the study once and each cell as one task, and notices nodes that
are lost. What a cell yields comes back as one package of bytes, which the driver writes, so that no
node needs to see the run folder. Where all do, they use its workspace: checkpoints survive the loss
of a node, and large data sets stay in a file. Ray's usage statistics are off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from types import ModuleType
from typing import Any

from equipoise.exceptions import CrowdedDeviceError, SettingError
from equipoise.experiments.running.available_memory import available_memory, gib
from equipoise.experiments.running.cell_queue import CellQueue
from equipoise.experiments.running.protocols import CellTask, Observer
from equipoise.experiments.running.ray_cluster import (
    ATTEMPTS,
    LOCAL,
    Node,
    blind_nodes,
    connect,
    import_ray,
    last_line,
    on_node,
)
from equipoise.experiments.running.ray_worker import (
    Reports,
    Shipment,
    free_gpu_memory,
    train_cell,
)
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.package import pack
from equipoise.shortages import is_full_disk

POLL_SECONDS = 0.5
WAIT_SECONDS = 600.0  # for a node, where all that can train a cell were lost
SHARE_OF_STORE = 0.5  # of an object store that the study may fill
PARTS_OF_GPU = 10_000  # into which Ray divides one
PREPARED = ["frozen"]  # entries of a workspace that are made before the first cell
LOST = (
    "{} workers were lost while they trained this cell, often for lack of memory ({}). "
    "Run again with fewer --workers."
)
FULL_NODE = (
    "Expected room for temporary files on every node of the Ray cluster, got: {}. Free some, or "
    "start the node with TMPDIR on another disk. Finished cells are kept; the same call continues."
)


@dataclass(frozen=True)
class RayExecutor:
    """Trains each cell as a task of Ray.

    A worker or node that is lost in mid-cell costs the cell another attempt, elsewhere; a cell that
    loses three workers is a failed cell. A cell that finds too little memory on a GPU beside others
    is trained again with a GPU of its own.

    Attributes:
        address: Of a running cluster ("HOST:6379", or "auto" on one of its nodes); "local" starts
            Ray on this machine, until this process ends.
        workers: Most cells at once; as many as there are CPUs or GPUs where None. More than there
            are GPUs share them.
        n_threads: CPU threads of each cell.
        device: Device of the methods; on "cuda", or on "auto" where the cluster has GPUs, each cell
            reserves a GPU or a share of one.
        cpus_per_cell: CPUs that a cell reserves, at least its threads: more where its memory allows
            fewer cells on a node than there are CPUs.
        most_on_gpu: Most cells that share a GPU, where memory limits them.
        max_memory: See `Executor`.

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
    most_on_gpu: int | None = field(default=None, repr=False)
    max_memory: int | None = None

    def __post_init__(self) -> None:
        import_ray()
        if self.workers is not None and self.workers < 1:
            raise SettingError(f"Expected at least 1 worker, got {self.workers}.")

    @property
    def n_workers(self) -> int:
        """See `Executor`; it changes when nodes join or leave."""
        return max(1, self.n_possible)

    @property
    def n_possible(self) -> int:
        """Cells that are trained at once; 0 where no node can train any."""
        return self._at_most(sum(self._cells_on(self.nodes())))

    @property
    def n_on_machine(self) -> int:
        """See `Executor`; of the largest node."""
        return max(1, self._at_most(max(self._cells_on(self.nodes()))))

    @property
    def n_sharing(self) -> int:
        """See `Executor`."""
        nodes = self.nodes()
        return self._most_on_gpu(nodes) if self._uses_gpus(nodes) else self.n_on_machine

    @property
    def reserved(self) -> dict[str, float]:
        """What each cell reserves, as arguments of a task of Ray."""
        nodes, gpus = self.nodes(), 0.0
        if self._uses_gpus(nodes):
            gpus = PARTS_OF_GPU // self._most_on_gpu(nodes) / PARTS_OF_GPU
        return {"num_cpus": self._cpus, "num_gpus": gpus}

    def free_memory(self, device: str) -> int:
        """See `Executor`; of the smallest node, and of this machine if Ray runs here only."""
        nodes = self.nodes()
        if self._uses_gpus(nodes):
            ray = self.connected()
            ask = ray.remote(num_cpus=0, num_gpus=1 / PARTS_OF_GPU)(free_gpu_memory)
            answers = []
            for node in nodes:
                if gpus_on(node):
                    here = ask.options(scheduling_strategy=on_node(ray, node["NodeID"]))
                    answers.append(here.remote())
            return int(min(ray.get(answers), default=0))
        if self.address == LOCAL:
            return available_memory(device)
        return int(min(node["Resources"].get("memory", 0) for node in nodes))

    def limited(self, n_sharing: int) -> "RayExecutor":
        """See `Executor`; each cell then reserves more of its GPU, or of the CPUs of its node."""
        nodes = self.nodes()
        if self._uses_gpus(nodes):
            return replace(self, most_on_gpu=n_sharing)
        largest = max(node["Resources"].get("CPU", 0) for node in nodes)
        return replace(self, cpus_per_cell=largest / n_sharing)

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """See `Executor`."""
        if not cells:
            return
        ray = self.connected()
        try:
            _Run(self, task, observer).train(cells)
        except ray.exceptions.RayError as error:
            raise SettingError(
                "Expected a Ray cluster until the last cell has ended, lost it: "
                f"{last_line(error)} Finished cells are kept: start the cluster and run the same "
                "again."
            ) from error

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

    def nodes(self) -> list[Node]:
        """Return Ray's records of the nodes that live."""
        return [node for node in self.connected().nodes() if node["Alive"]]

    @property
    def _cpus(self) -> float:
        return max(float(self.n_threads), self.cpus_per_cell)

    def _at_most(self, n_cells: int) -> int:
        return n_cells if self.workers is None else min(n_cells, self.workers)

    def _cells_on(self, nodes: Sequence[Node]) -> list[int]:
        """Return how many cells each node can train at once."""
        cells = []
        for node in nodes:
            n_cells = int(node["Resources"].get("CPU", 0) // self._cpus)
            if self._uses_gpus(nodes):
                n_cells = min(n_cells, gpus_on(node) * self._most_on_gpu(nodes))
            cells.append(n_cells)
        return cells

    def _uses_gpus(self, nodes: Sequence[Node]) -> bool:
        return self.device.startswith("cuda") or (
            self.device == "auto" and any(map(gpus_on, nodes))
        )

    def _most_on_gpu(self, nodes: Sequence[Node]) -> int:
        """Return how many cells share a GPU: one, or as many as workers and memory say."""
        n_gpus = max(1, sum(map(gpus_on, nodes)))
        most = math.ceil((self.workers or n_gpus) / n_gpus)
        return most if self.most_on_gpu is None else min(most, self.most_on_gpu)


def gpus_on(node: Node) -> int:
    """Return the number of GPUs of a node."""
    return int(node["Resources"].get("GPU", 0))


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
        self.crowded: set[Cell] = set()  # found too little memory on a GPU beside others
        self.last_possible = -math.inf  # when a node could last train a cell; -inf: never yet
        self._check_resources()
        self.shipment = self._put(self._ship())
        # On the node of this process: its loss ends the run anyway.
        here = on_node(self.ray, self.ray.get_runtime_context().get_node_id())
        reports = self.ray.remote(num_cpus=0, scheduling_strategy=here)(Reports)
        self.reports = reports.remote()
        # Lost workers are counted here, so that Ray's own retries stay off.
        self.remote = self.ray.remote(num_returns=2, max_retries=0)(train_cell)

    def train(self, cells: Sequence[Cell]) -> None:
        """Train the cells and store what comes back."""
        queue = CellQueue(cells, self.task.shared_fits)
        try:
            while queue or self.cell_of:
                self._check_resources()
                self._send(queue)
                done, _ = self.ray.wait(list(self.cell_of), timeout=POLL_SECONDS)
                self._pass_on_reports()
                for reference in done:
                    self._receive(reference, queue)
        finally:
            for reference in self.cell_of:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self.reports)

    def _check_resources(self) -> None:
        """Raise where no node can train a cell: at the start, or for long after nodes were lost.

        Raises:
            SettingError: See above.
        """
        now = monotonic()
        if self.executor.n_possible:
            self.last_possible = now
        elif now - self.last_possible > WAIT_SECONDS:
            needed = self.executor.reserved
            gpus = " and a GPU (--device)" if self.executor.device.startswith("cuda") else ""
            raise SettingError(
                f"Expected a node of the Ray cluster with {needed['num_cpus']:g} CPUs{gpus} for a "
                f"cell, got {len(self.executor.nodes())} nodes without. Finished cells are kept: "
                "start a node (`ray start --address ...`) and run the same again."
            )

    def _send(self, queue: CellQueue) -> None:
        """Send as many cells as can be trained at once."""
        for _ in range(self.executor.n_workers - len(self.cell_of)):
            cell = queue.next()
            if cell is None:
                return
            reserved = self.executor.reserved
            if cell in self.crowded:
                reserved["num_gpus"] = 1.0
            makers = queue.makers(cell)
            package, fits = self.remote.options(**reserved).remote(
                [self.shipment],
                cell,
                [self.fits_of[maker] for maker in makers if maker in self.fits_of],
                self.reports,
                n_threads=self.executor.n_threads,
                alone=reserved["num_gpus"] in (0.0, 1.0),
                send_fits=queue.has_followers(cell),
            )
            self.cell_of[package] = cell
            self.fits_of[cell] = fits
            if cell not in self.n_lost:
                self.n_lost[cell] = 0
                self.observer.began(cell)

    def _receive(self, reference: Any, queue: CellQueue) -> None:
        """Store a cell that came back; try one again whose worker was lost, or that was crowded."""
        cell = self.cell_of.pop(reference)
        try:
            package = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:  # it is stored and shown
            del self.fits_of[cell]
            if isinstance(error.cause, CrowdedDeviceError):
                self.crowded.add(cell)
                queue.again(cell)
                return
            if error.cause is not None and is_full_disk(error.cause):
                raise SettingError(FULL_NODE.format(error.cause)) from error
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
        record = self.task.record(cell)
        queue.ended(cell, failed=isinstance(record, FailedCellRecord))
        self.observer.ended(cell, record)
        for maker in list(self.fits_of):
            if maker not in self.cell_of.values() and not queue.has_followers(maker):
                del self.fits_of[maker]

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
        task = self.task.with_images()
        nodes = self.executor.nodes()
        blind = blind_nodes(self.ray, nodes, self.task.workspace, task.files)
        prepared = pack(self.task.workspace, names=PREPARED) if blind else b""
        smallest = min(node["Resources"].get("object_store_memory", 0) for node in nodes)
        n_bytes = task.n_bytes + len(prepared)
        if n_bytes > SHARE_OF_STORE * smallest:
            if blind:
                raise SettingError(
                    f"Expected nodes whose object store has at least {gib(2 * n_bytes)}, or that "
                    f"see {self.task.workspace}, because the images need {gib(n_bytes)}; got an "
                    f"object store of {gib(smallest)}, and {', '.join(blind)} without the folder. "
                    "Start the nodes with a larger --object-store-memory, or write the run with "
                    "--out into a folder that all nodes share."
                )
            task = self.task.portable()
        return Shipment(task=task, shared=not blind, prepared=prepared)

    def _put(self, shipment: Shipment) -> Any:
        """Put the study into the object store.

        Raises:
            SettingError: There is no room, in memory or on the disk to which Ray moves objects.
        """
        full = (self.ray.exceptions.ObjectStoreFullError, self.ray.exceptions.OutOfDiskError)
        try:
            return self.ray.put(shipment)
        except full as error:
            raise SettingError(
                f"Expected an object store with room for {gib(shipment.task.n_bytes)} of images, "
                f"got: {str(error).strip().splitlines()[0]} Start Ray with a larger "
                "--object-store-memory, or free space on its disk (--temp-dir)."
            ) from error
