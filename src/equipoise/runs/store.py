"""`RunStore`: the folder of a run, written so that it is whole at every instant."""

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from equipoise.arrays import Rows
from equipoise.atomic import atomic_file, atomic_folder, make_folder, read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import load_splits, save_splits
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.description import continued, describe, describe_duplicates
from equipoise.runs.cell import Cell

if TYPE_CHECKING:
    from equipoise.experiments.running.fit_watch import HistoryRow, Outcome
    from equipoise.experiments.study import Study

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

    def check(self, study: "Study") -> None:
        """See that the folder can be written and that a run in it may be continued, before any work.

        Raises:
            SettingError: The folder cannot be written.
            StaleRunError: The folder holds results made with other settings.
        """
        make_folder(self.folder)
        if (self.folder / "study.json").is_file():
            continued(self.study(), describe(study), self.folder)

    def open(self, study: "Study") -> None:
        """Write down what is asked, or see that it continues what is stored; clear what a killed process left.

        Raises:
            StaleRunError: The folder holds results made with other settings; names the differences.
        """
        asked, splits = describe(study), list(study.splits)
        if (self.folder / "study.json").is_file():
            asked = continued(self.study(), asked, self.folder)
            asked_names = {split.name for split in splits}
            stored = load_splits(self.folder / "splits.json", study.dataset)
            splits = [s for s in stored if s.name not in asked_names] + splits
        self._clear()
        save_splits(self.folder / "splits.json", splits, study.dataset)
        if study.duplicates is not None:
            write_json(
                self.folder / "duplicates.json", describe_duplicates(study, study.duplicates)
            )
        if isinstance(study.dataset, ImageDataset):
            self._save_examples(study.dataset, study.splits[0].train)
        write_json(self.folder / "study.json", asked)  # last: where it stands, the others stand too

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

    def record(self, cell: Cell) -> dict[str, Any]:
        """Read the record of a finished or failed cell."""
        return dict(read_json(self.path(cell) / "record.json"))

    def predictions(self, cell: Cell) -> dict[str, NDArray[Any]]:
        """Read the predictions of a finished cell."""
        with np.load(self.path(cell) / "predictions.npz", allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def write(self, cell: Cell, outcome: "Outcome") -> None:
        """Store a finished cell, all or nothing."""
        with atomic_folder(self.path(cell)) as folder:
            _save_arrays(folder / "predictions.npz", **outcome.predictions)
            _write_history(folder / "history.csv", outcome.history)
            if (some := outcome.synthetic) is not None:
                _save_arrays(folder / "synthetic.npz", images=some.images, labels=some.labels)
            for name, write in outcome.files.items():
                write(folder / name)
            write_json(folder / "record.json", outcome.record)

    def write_failure(self, cell: Cell, record: dict[str, Any]) -> None:
        """Store why a cell failed."""
        with atomic_folder(self.path(cell)) as folder:
            write_json(folder / "record.json", record)

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


def _write_history(path: Path, rows: list["HistoryRow"]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("stage", "step", "name", "value"))
        writer.writerows(rows)
