"""The interfaces between a study, whatever trains its cells, and whoever watches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import TriedCellRecord
from equipoise.training.progress import Listener


class Observer:
    """Receives the progress of a study; this base class ignores everything."""

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """Receive the progress of work that the cells share, before the first of them."""

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """Receive the cells that are already finished and those that will be trained, in order."""

    def began(self, cell: Cell) -> None:
        """Receive a cell when its training begins."""

    def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
        """Receive the progress of the fit named `fit` inside a cell: `step` of `n_steps` done."""

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """Receive the stored record of a finished or failed cell."""


class CellTask(Protocol):
    """The work that an executor distributes: train one cell of a study and store the result."""

    def train(self, cell: Cell, listener: Listener, *, alone: bool = True) -> None:
        """Train a cell and store it. An exception is stored as a failed cell and not raised.

        Args:
            cell: The cell.
            listener: Receives the progress of its fits.
            alone: Whether no other cell is trained on the same device.

        Raises:
            CrowdedDeviceError: The cell is not alone, and the memory of the device is too small.
        """

    def fail(self, cell: Cell, reason: str) -> None:
        """Store a cell as failed because its worker died, unless it is already finished."""

    def record(self, cell: Cell) -> TriedCellRecord:
        """Return the stored record of a finished or failed cell."""

    def portable(self) -> "PortableTask":
        """Return the task in a form that is cheap to pickle, for a process that sees its files."""

    def with_images(self) -> "PortableTask":
        """Return the task with its images, for a machine that sees no file of this one."""

    @property
    def workspace(self) -> Path:
        """Folder of checkpoints, finished fits and what was prepared for all cells."""

    def shared_fits(self, cell: Cell) -> frozenset[str]:
        """Return a name for everything that a cell fits and other cells may fit, too."""

    def train_away(self, cell: Cell, listener: Listener, *, alone: bool = True) -> bytes:
        """Train a cell as `train` does, but return what `accept` stores."""

    def accept(self, cell: Cell, package: bytes) -> None:
        """Store a cell that was trained elsewhere."""


class PortableTask(Protocol):
    """A `CellTask` on its way to a worker: picklable."""

    @property
    def n_bytes(self) -> int:
        """Bytes of the images that it contains."""

    @property
    def files(self) -> Sequence[Path]:
        """Files or folders outside the run folder that a worker has to see."""

    def open(self) -> CellTask:
        """Open the images and return the task. Called once in each worker."""

    def at(self, folder: Path) -> "PortableTask":
        """Return the task with another folder in place of the run folder."""


class Executor(Protocol):
    """Trains cells: in this process, in worker processes, or on a cluster.

    An implementation calls `task.train(cell, listener)` for every cell, wherever it likes, and
    tells the observer: `began` before, `stepped` from the listener, `ended` with
    `task.record(cell)` after. For a cell whose worker died it calls `task.fail`. It needs to know
    neither the study nor the run folder.
    """

    @property
    def n_workers(self) -> int:
        """Number of cells that are trained at once."""

    @property
    def n_on_machine(self) -> int:
        """Most of them on one machine; a forecast keeps as many cores of this one busy."""

    @property
    def n_sharing(self) -> int:
        """Most cells that share the memory of a machine, or of a GPU where they are trained."""

    @property
    def n_threads(self) -> int:
        """CPU threads of each worker."""

    @property
    def max_memory(self) -> int | None:
        """Bytes that the cells of a machine, or of each GPU, may use; None for what is free."""

    def run(self, cells: Sequence[Cell], task: CellTask, observer: Observer) -> None:
        """Train the cells in order; a failed cell does not stop the others."""

    def free_memory(self, device: str) -> int:
        """Return the free bytes that the cells of a machine share, or those of a GPU."""

    def limited(self, n_sharing: int) -> "Executor":
        """Return the executor with fewer cells at once on a machine, or on a GPU."""
