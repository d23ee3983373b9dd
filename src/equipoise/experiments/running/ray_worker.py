"""What runs on the nodes of a Ray cluster: a task for each cell, and the actor of its progress."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equipoise.experiments.running.available_memory import available_memory
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.protocols import CellTask, PortableTask
from equipoise.experiments.running.workers import throttled
from equipoise.runs.cell import Cell
from equipoise.runs.package import pack, unpack

SECONDS_BETWEEN_REPORTS = 1.0  # of a cell; a thousand cells report to one actor
_SITES: dict[str, "Site"] = {}  # reference of a shipment -> the opened study


@dataclass(frozen=True, kw_only=True, eq=False)
class Shipment:
    """A study on its way to the workers, which read its arrays in Ray's shared memory.

    Attributes:
        task: The study, with its images or the folder of their file.
        shared: Whether every node sees the run folder, and uses its workspace.
        prepared: Package of what was prepared for all cells; empty where the workspace is shared.
    """

    task: PortableTask
    shared: bool
    prepared: bytes

    def open(self) -> "Site":
        """Open the study on a node."""
        if self.shared:
            return Site(task=self.task.open(), folder=None)
        folder = TemporaryDirectory(prefix="equipoise-")
        task = self.task.at(Path(folder.name)).open()
        unpack(self.prepared, task.workspace)
        return Site(task=task, folder=folder)


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """An opened study on a worker.

    Attributes:
        task: Trains its cells.
        folder: Its private folder, which ends with the worker; None where the run folder is seen.
    """

    task: CellTask
    folder: "TemporaryDirectory[str] | None"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a node says about itself.

    Attributes:
        versions: Of what results depend on.
        sees_run: Whether it sees the run folder of the driver.
        missing: Files or folders that it needs and does not see.
    """

    versions: Mapping[str, str]
    sees_run: bool
    missing: tuple[Path, ...] = ()


class Reports:
    """Keeps the last report of each cell until the driver fetches them."""

    def __init__(self) -> None:
        self._last: dict[Cell, tuple[str, int, int]] = {}

    def add(self, cell: Cell, name: str, step: int, n_steps: int) -> None:
        """Receive the progress of a fit of a cell."""
        self._last[cell] = (name, step, n_steps)

    def fetch(self) -> dict[Cell, tuple[str, int, int]]:
        """Return what was reported since the last call."""
        last, self._last = self._last, {}
        return last


def look_around(witness: Path, token: str, files: Sequence[Path] = ()) -> Surroundings:
    """Say what a node has; it sees the run folder if it reads the token in the driver's file."""
    try:
        sees_run = witness.read_text(encoding="ascii") == token
    except (OSError, ValueError):
        sees_run = False
    missing = tuple(path for path in files if not path.exists())
    return Surroundings(versions=versions(), sees_run=sees_run, missing=missing)


def free_gpu_memory() -> int:
    """Return the free bytes of the GPU that Ray assigned to this task."""
    return available_memory("cuda")


def train_cell(
    shipments: Sequence[Any],
    cell: Cell,
    fits: Sequence[Any],
    reports: Any,
    *,
    n_threads: int,
    alone: bool,
    send_fits: bool,
) -> tuple[bytes, bytes]:
    """Train a cell on this worker.

    Args:
        shipments: Reference of the `Shipment`, in a list, so that it is fetched once and not by
            every task.
        cell: The cell.
        fits: References of the fits that earlier cells sent.
        reports: Handle of the actor `Reports`.
        n_threads: CPU threads.
        alone: Whether no other cell is trained on the same device.
        send_fits: Whether other cells wait for the fits of this one.

    Returns:
        The package of the cell, and that of the fits that it made in a private workspace.
    """
    import ray
    import torch

    from equipoise.training.allocator import keep_freed_memory

    torch.set_num_threads(n_threads)
    [reference] = shipments
    name = reference.hex()
    if name not in _SITES:
        keep_freed_memory()
        _SITES.clear()  # a worker may have trained cells of another run before
        _SITES[name] = ray.get(reference).open()
    site = _SITES[name]
    workspace = site.task.workspace
    for fit in fits:
        with suppress(ray.exceptions.ObjectLostError):  # with its node: it is trained again here
            unpack(ray.get(fit), workspace)
    before = {path.name for path in workspace.glob("*")}

    def report(name: str, step: int, n_steps: int) -> None:
        reports.add.remote(cell, name, step, n_steps)

    listener = throttled(report, seconds=SECONDS_BETWEEN_REPORTS)
    package = site.task.train_away(cell, listener, alone=alone)
    new = {path.name for path in workspace.glob("*")} - before
    sent = sorted(new) if send_fits and site.folder is not None else []
    return package, pack(workspace, names=sent)
