"""`RunStore`: the folder of a run, written so that it is whole at every instant."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from equipoise.arrays import Rows
from equipoise.atomic import (
    JsonObject,
    atomic_file,
    atomic_folder,
    make_folder,
    read_json,
    write_json,
)
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split, load_splits, save_splits
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import SettingError
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, TriedCellRecord, read_cell_record
from equipoise.runs.continuation import continued
from equipoise.runs.description import StudyDescription, read_description
from equipoise.runs.outcome import Outcome, write_history

EXAMPLES_PER_CLASS = 8


class RunStore:
    """The folder of a run; its layout is in docs/architecture.md.

    Reading needs no lock. Whoever writes holds `lock`, and opens the store with the study first.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @property
    def workspace(self) -> Path:
        """Folder of checkpoints and finished fits, found again by content."""
        return self.folder / "workspace"

    def path(self, cell: Cell) -> Path:
        """Folder of a cell."""
        return self.folder / "cells" / cell.folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing into the folder; the system releases a dead one's lock.

        Raises:
            SettingError: Another process holds it, or the folder cannot be written.
        """
        make_folder(self.folder)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise SettingError(
                f"Another process writes into {self.folder}. Wait for it, stop it, or name another "
                "one with --out."
            ) from error

    def check(self, description: StudyDescription) -> None:
        """Check that the folder can be written and a run in it may be continued, before any work.

        Args:
            description: The study that is going to run.

        Raises:
            SettingError: The folder cannot be written.
            StaleRunError: The folder contains results made with other settings; names the
                differences.
        """
        make_folder(self.folder)
        if self.path_of_description.is_file():
            continued(self.description(), description, self.folder)

    def open(
        self,
        description: StudyDescription,
        *,
        dataset: ImageDataset | VolumeDataset,
        splits: Sequence[Split],
        duplicates: JsonObject | None = None,
    ) -> None:
        """Store the description of a study, or continue a stored run, before cells are trained.

        Removes what a killed process left behind.

        Args:
            description: The study.
            dataset: Its images or volumes; some images are stored as examples.
            splits: Its splits.
            duplicates: Pairs of copies for duplicates.json; None where nobody searched for them.

        Raises:
            StaleRunError: The folder contains results made with other settings; names the
                differences.
        """
        all_splits = list(splits)
        if self.path_of_description.is_file():
            description = continued(self.description(), description, self.folder)
            names = {split.name for split in splits}
            stored = load_splits(self.folder / "splits.json", dataset)
            all_splits = [split for split in stored if split.name not in names] + all_splits
        self._clear()
        save_splits(self.folder / "splits.json", all_splits, dataset)
        if duplicates is not None:
            write_json(self.folder / "duplicates.json", duplicates)
        if isinstance(dataset, ImageDataset):
            self._save_examples(dataset, splits[0].train)
        # last: a folder with study.json has the other files too
        write_json(self.path_of_description, description.to_json())

    @property
    def path_of_description(self) -> Path:
        """The file `study.json`."""
        return self.folder / "study.json"

    def description(self) -> StudyDescription:
        """Read what was requested of the run.

        Raises:
            DataError: The folder contains no run, or its description cannot be read.
        """
        return read_description(self.folder)

    def has(self, cell: Cell) -> bool:
        """Return whether the cell is finished."""
        return self._status(cell) == "done"

    def has_failed(self, cell: Cell) -> bool:
        """Return whether the cell was tried and failed."""
        return self._status(cell) == "failed"

    def record(self, cell: Cell) -> TriedCellRecord:
        """Read the record of a finished or failed cell.

        Raises:
            DataError: It cannot be read.
        """
        return read_cell_record(self.path(cell) / "record.json")

    def write(self, cell: Cell, outcome: Outcome) -> None:
        """Store a finished cell, all or nothing."""
        with atomic_folder(self.path(cell)) as folder:
            _save_arrays(folder / "predictions.npz", **outcome.predictions)
            write_history(folder / "history.csv", outcome.history)
            synthetic = outcome.synthetic
            if synthetic is not None:
                path = folder / "synthetic.npz"
                _save_arrays(path, images=synthetic.images, labels=synthetic.labels)
            for name, write in outcome.files.items():
                write(folder / name)
            write_json(folder / "record.json", outcome.record.to_json())

    def write_failure(self, record: FailedCellRecord) -> None:
        """Store why a cell failed."""
        with atomic_folder(self.path(record.cell)) as folder:
            write_json(folder / "record.json", record.to_json())

    def _status(self, cell: Cell) -> str | None:
        path = self.path(cell) / "record.json"
        return str(read_json(path)["status"]) if path.is_file() else None

    def _clear(self) -> None:
        """Remove the temporary files of a killed process; the lock excludes a living one."""
        for place in (self.folder / "cells", self.workspace):
            for path in list(place.rglob(".*")):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for name in ("study.json", "splits.json", "duplicates.json", "examples.npz"):
            for path in self.folder.glob(f".{name}.*"):
                path.unlink()

    def _save_examples(self, dataset: ImageDataset, train: Rows) -> None:
        rows = []
        for label in np.unique(dataset.labels):
            of_class = train[dataset.labels[train] == label]
            rows.append(of_class[:EXAMPLES_PER_CLASS])
        examples = dataset.subset(np.concatenate(rows))
        with atomic_file(self.folder / "examples.npz") as temporary, temporary.open("wb") as file:
            ids = examples.ids.astype(str)
            _save_arrays(file, images=examples.images, labels=examples.labels, ids=ids)


def _save_arrays(file: Any, **arrays: Any) -> None:
    """Write arrays as npz without a time, so that the same arrays give the same bytes."""
    np.savez_compressed(file, **arrays)
