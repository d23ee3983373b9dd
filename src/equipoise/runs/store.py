"""`RunStore`: the folder of a run, written so that it is whole at every instant."""

import csv
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

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
from equipoise.exceptions import DataError, SettingError
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, TriedCellRecord, read_cell_record
from equipoise.runs.continuation import continued
from equipoise.runs.description import StudyDescription, read_description
from equipoise.runs.outcome import HistoryRow, Outcome

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
        """Keep other processes from writing into the folder; the system lets go when a process dies.

        Raises:
            SettingError: Another process holds it, or the folder cannot be written.
        """
        make_folder(self.folder)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise SettingError(
                f"Another process writes into {self.folder}. Wait for it, stop it, or name another one with --out."
            ) from error

    def check(self, description: StudyDescription) -> None:
        """Check that the folder can be written and that a run in it may be continued, before any work.

        Args:
            description: The study that is going to run.

        Raises:
            SettingError: The folder cannot be written.
            StaleRunError: The folder contains results made with other settings; names the differences.
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
        """Store the description of a study, or continue a stored run with it, before its cells are trained.

        Removes what a killed process left behind.

        Args:
            description: The study.
            dataset: Its images or volumes; some images are stored as examples.
            splits: Its splits.
            duplicates: Pairs of copies for duplicates.json; None where nobody searched for them.

        Raises:
            StaleRunError: The folder contains results made with other settings; names the differences.
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

    def study(self) -> dict[str, Any]:
        """Read `study.json`.

        Raises:
            DataError: The folder holds no run.
        """
        path = self.folder / "study.json"
        if not path.is_file():
            raise DataError(f"Expected the folder of a run, found no study.json in {self.folder}.")
        try:
            return dict(read_json(path))
        except ValueError as error:
            raise DataError(
                f"Cannot read {path}: {error}. Delete the folder and run again."
            ) from error

    def cells(self) -> list[Cell]:
        """List all cells that were asked for, finished or not."""
        asked = self.study()
        return [
            Cell(method["name"], split["name"], seed)
            for seed in asked["seeds"]
            for split in asked["splits"]
            for method in asked["methods"]
        ]

    def has(self, cell: Cell) -> bool:
        """Say whether the cell is finished."""
        return self._status(cell) == "done"

    def has_failed(self, cell: Cell) -> bool:
        """Say whether the cell was tried and failed."""
        return self._status(cell) == "failed"

    def record(self, cell: Cell) -> TriedCellRecord:
        """Read the record of a finished or failed cell.

        Raises:
            DataError: It cannot be read.
        """
        return read_cell_record(self.path(cell) / "record.json")

    def predictions(self, cell: Cell) -> dict[str, NDArray[Any]]:
        """Read the predictions of a finished cell."""
        with np.load(self.path(cell) / "predictions.npz", allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def write(self, cell: Cell, outcome: Outcome) -> None:
        """Store a finished cell, all or nothing."""
        with atomic_folder(self.path(cell)) as folder:
            _save_arrays(folder / "predictions.npz", **outcome.predictions)
            _write_history(folder / "history.csv", outcome.history)
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
        """Remove the temporary files of a killed process; the lock says that no living one writes here."""
        for place in (self.folder / "cells", self.workspace):
            for path in list(place.rglob(".*")):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for name in ("study.json", "splits.json", "duplicates.json", "examples.npz"):
            for path in self.folder.glob(f".{name}.*"):
                path.unlink()

    def _save_examples(self, dataset: ImageDataset, train: Rows) -> None:
        labels = dataset.labels
        rows = np.concatenate(
            [train[labels[train] == k][:EXAMPLES_PER_CLASS] for k in np.unique(labels)]
        )
        some = dataset.subset(rows)
        with atomic_file(self.folder / "examples.npz") as temporary, temporary.open("wb") as file:
            _save_arrays(file, images=some.images, labels=some.labels, ids=some.ids.astype(str))


def _save_arrays(file: Any, **arrays: Any) -> None:
    """Write arrays as npz; the same arrays give the same bytes, which hold no time."""
    np.savez_compressed(file, **arrays)


def _write_history(path: Path, rows: list[HistoryRow]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("stage", "step", "name", "value"))
        writer.writerows(rows)
