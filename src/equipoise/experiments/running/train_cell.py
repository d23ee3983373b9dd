"""`StudyTask`: train one cell of a study and store the result, here or in another process."""

import errno
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equipoise.data.dataset import ImageDataset
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import CrowdedDeviceError, DataError
from equipoise.experiments.running.cell_record import failure
from equipoise.experiments.running.device_memory import fit_on_device
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.running.fit_segmenter import segment_cell
from equipoise.experiments.running.trained_parts import batch_sizes, parts_of
from equipoise.experiments.study import Study
from equipoise.image_rows import limit_copies, most_copied
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import TriedCellRecord
from equipoise.runs.store import RunStore
from equipoise.shortages import is_full_disk
from equipoise.training.progress import Listener


@dataclass(frozen=True)
class StudyTask:
    """Trains the cells of a study and stores them in a run folder; a `CellTask`.

    Attributes:
        study: The study, images included.
        store: The run folder. Whoever trains cells holds its lock.
    """

    study: Study
    store: RunStore

    def train(self, cell: Cell, listener: Listener, *, alone: bool = True) -> None:
        """Train a cell and store it, or store the exception with its traceback."""
        self.train_into(self.store, cell, listener, alone=alone)

    def train_into(self, store: RunStore, cell: Cell, listener: Listener, *, alone: bool) -> None:
        """Do the same, but store the cell elsewhere; the workspace is that of the run folder.

        Raises:
            CrowdedDeviceError: See `CellTask.train`.
            OSError: The disk is full: no other cell could be stored.
        """
        volumes = isinstance(self.study.dataset, VolumeDataset)
        fit = segment_cell if volumes else fit_cell
        try:
            outcome = fit_on_device(fit, cell, self.study, self.workspace, listener, alone=alone)
            store.write(cell, outcome)
        except CrowdedDeviceError:
            raise
        except Exception as error:
            if is_full_disk(error):
                number = errno.ENOSPC
                raise OSError(number, os.strerror(number), str(store.folder)) from error
            # A bad cell must not end a study of days: it is stored and shown.
            store.write_failure(failure(cell, self.study, error))

    def fail(self, cell: Cell, reason: str) -> None:
        """Store a cell as failed for a reason in words, unless it is already finished."""
        if not self.store.has_finished(cell):
            self.store.write_failure(failure(cell, self.study, reason))

    def record(self, cell: Cell) -> TriedCellRecord:
        """Return the stored record of a finished or failed cell."""
        return self.store.record(cell)

    def train_away(self, cell: Cell, listener: Listener, *, alone: bool = True) -> bytes:
        """Train a cell and return its folder as bytes, in place of storing it."""
        with TemporaryDirectory(prefix="equipoise-") as folder:
            store = RunStore(folder)
            self.train_into(store, cell, listener, alone=alone)
            return store.package(cell)

    @property
    def workspace(self) -> Path:
        """Folder of checkpoints, finished fits and what was prepared for all cells."""
        return self.store.workspace

    def accept(self, cell: Cell, package: bytes) -> None:
        """Store a cell that another machine trained; see `RunStore.accept`."""
        self.store.accept(cell, package)

    def shared_fits(self, cell: Cell) -> frozenset[str]:
        """Return a name for every generator that a cell trains and other cells may train, too."""
        if self.study.task != "classification":
            return frozenset()
        side = self.study.images.images.shape[2]
        names = set()
        for _, step in self.study.methods[cell.method].steps[:-1]:
            for part, part_side in parts_of(step, side):
                if batch_sizes(part):
                    names.add(f"{cell.split}, seed {cell.seed}, {part_side} px: {part!r}")
        return frozenset(names)

    def portable(self) -> "PortableStudy":
        """Write the images to a file in the workspace, once, and return the task without them.

        Volumes are only described in a study and lie on disk already, so they travel as they are.
        """
        if not isinstance(self.study.dataset, ImageDataset):
            return self.with_images()
        store = RunStore(self.store.folder.absolute())
        packed = pack_images(self.study.dataset, store)
        return PortableStudy(self._settings(), store, packed, most_copied())

    def with_images(self) -> "PortableStudy":
        """Return the task with its images in memory, for machines that see no file of this one."""
        store = RunStore(self.store.folder.absolute())
        return PortableStudy(self._settings(), store, self.study.dataset, most_copied())

    def _settings(self) -> dict[str, Any]:
        """Return the arguments of the study but for what no cell or only some of them need."""
        names = [field.name for field in fields(self.study)]
        unneeded = ("dataset", "duplicates")
        return {name: getattr(self.study, name) for name in names if name not in unneeded}


@dataclass(frozen=True)
class PortableStudy:
    """A `StudyTask` on its way to a worker; a `PortableTask`.

    Attributes:
        settings: Arguments of `Study`.
        store: The run folder.
        dataset: The data set, or the folder of packed images.
        most_copied: Bytes of images up to which a worker copies them; see `equipoise.image_rows`.
    """

    settings: dict[str, Any]
    store: RunStore
    dataset: ImageDataset | VolumeDataset | Path
    most_copied: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the images that travel with the task."""
        return self.dataset.images.nbytes if isinstance(self.dataset, ImageDataset) else 0

    @property
    def files(self) -> list[Path]:
        """Folders of the prepared volumes; images travel with the task."""
        if not isinstance(self.dataset, VolumeDataset):
            return []
        return [volume.folder for volume in self.dataset.volumes]

    def at(self, folder: Path) -> "PortableStudy":
        """Return the task with another run folder."""
        return replace(self, store=RunStore(folder))

    def open(self) -> StudyTask:
        """Open the packed images, memory-mapped, and return the task."""
        limit_copies(self.most_copied)
        dataset = self.dataset
        if isinstance(dataset, Path):
            dataset = ImageDataset.load(dataset, memory_map=True)
        return StudyTask(Study(**self.settings, dataset=dataset), self.store)


def pack_images(dataset: ImageDataset, store: RunStore) -> Path:
    """Write the images of a study to where its workers read them, and return that folder.

    An earlier copy is used if it is undamaged.
    """
    folder = store.workspace / "dataset" / dataset.fingerprint[:16]
    try:
        ImageDataset.load(folder, memory_map=True)
    except (DataError, OSError):  # there are none, or damaged ones
        dataset.save(folder)
    return folder
