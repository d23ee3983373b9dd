"""`StudyTask`: train one cell of a study and store the result, here or in another process."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from equipoise.data.dataset import ImageDataset
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import DataError
from equipoise.experiments.running.cell_record import failure
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.running.fit_segmenter import segment_cell
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import TriedCellRecord
from equipoise.runs.store import RunStore
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

    def train(self, cell: Cell, listener: Listener) -> None:
        """Train a cell and store it, or store the exception with its traceback."""
        volumes = isinstance(self.study.dataset, VolumeDataset)
        fit = segment_cell if volumes else fit_cell
        try:
            self.store.write(cell, fit(cell, self.study, self.store.workspace, listener))
        except Exception as error:  # noqa: BLE001 (a bad cell must not end a study of days; it is stored and shown)
            self.store.write_failure(failure(cell, self.study, error))

    def fail(self, cell: Cell, reason: str) -> None:
        """Store a cell as failed for a reason in words, unless it is already finished."""
        if not self.store.has_finished(cell):
            self.store.write_failure(failure(cell, self.study, reason))

    def record(self, cell: Cell) -> TriedCellRecord:
        """Return the stored record of a finished or failed cell."""
        return self.store.record(cell)

    def portable(self) -> "PortableStudy":
        """Write the images to a file in the workspace, once, and return the task without them.

        Volumes are only described in a study and lie on disk already, so they travel as they are.
        The duplicates are left out: no cell needs them.
        """
        names = [field.name for field in fields(self.study) if field.name != "duplicates"]
        settings = {name: getattr(self.study, name) for name in names}
        if not isinstance(self.study.dataset, ImageDataset):
            return PortableStudy(settings, self.store, images=None)
        del settings["dataset"]
        return PortableStudy(settings, self.store, pack_images(self.study.dataset, self.store))


@dataclass(frozen=True)
class PortableStudy:
    """A `StudyTask` without its images; a `PortableTask`.

    Attributes:
        settings: Arguments of `Study`.
        store: The run folder.
        images: Folder of the packed data set; None where `settings` contain the data set.
    """

    settings: dict[str, Any]
    store: RunStore
    images: Path | None

    def open(self) -> StudyTask:
        """Open the packed images, memory-mapped, and return the task."""
        settings = dict(self.settings)
        if self.images is not None:
            settings["dataset"] = ImageDataset.load(self.images, memory_map=True)
        return StudyTask(Study(**settings), self.store)


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
