"""Read what a study left on disk: which cells were asked for, what the finished ones predicted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.exceptions import DataError
from equipoise.metrics.base import Predictions
from equipoise.runs.cell import Cell


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished cell: what it predicted, and what it cost.

    Attributes:
        cell: Method, split and seed.
        predictions: Truth and scores of the test images.
        validation: Truth and scores of the validation images, by which thresholds are chosen.
        patients: (n,) int64 patient of each test image.
        ids: (n,) names of the test images.
        seconds: Duration of each stage.
        peak_memory_mb: Largest memory of the process.
    """

    cell: Cell
    predictions: Predictions
    validation: Predictions
    patients: NDArray[np.int64]
    ids: NDArray[np.str_]
    seconds: dict[str, float]
    peak_memory_mb: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell that could not be finished, and why."""

    method: str
    split: str
    seed: int
    error: str


@dataclass(frozen=True, kw_only=True)
class StoredStudy:
    """A run folder, finished or not: `cells` that were asked for, in order, and what came of them.

    `adding` are the methods that added synthetic images to the training images.
    """

    methods: tuple[str, ...]
    baseline: str
    primary_metric: str
    class_names: tuple[str, ...]
    rare_class: int
    cells: tuple[Cell, ...]
    finished: tuple[Finished, ...]
    failures: tuple[Failure, ...]
    adding: tuple[str, ...] = ()

    @property
    def n_missing(self) -> int:
        """Number of cells that were asked for and neither finished nor failed yet."""
        return len(self.cells) - len(self.finished) - len(self.failures)


def read_study(folder: Path) -> StoredStudy:
    """Read a run folder, whose layout is in docs/architecture.md.

    Raises:
        DataError: No run folder, a run on volumes, or the test images of one split differ between cells.
    """
    asked = read_asked(folder)
    if asked.get("task", "classification") != "classification":
        raise DataError(
            f"Expected a run on images, got one on volumes (task {asked['task']}) in {folder}."
        )
    cells = tuple(asked_cells(asked))
    records = {cell: read_record(folder, cell) for cell in cells}
    finished = [
        _finished(folder, cell, record, int(asked["rare_class"]))
        for cell, record in records.items()
        if record is not None and record["status"] == "done"
    ]
    _check_paired(finished)
    return StoredStudy(
        methods=tuple(method["name"] for method in asked["methods"]),
        baseline=asked["baseline"],
        primary_metric=asked["primary_metric"],
        class_names=tuple(asked["dataset"]["class_names"]),
        rare_class=int(asked["rare_class"]),
        cells=cells,
        finished=tuple(finished),
        failures=tuple(
            Failure(method=cell.method, split=cell.split, seed=cell.seed, error=record["error"])
            for cell, record in records.items()
            if record is not None and record["status"] == "failed"
        ),
        adding=tuple(
            dict.fromkeys(one.cell.method for one in finished if _added(folder, one.cell))
        ),
    )


def read_asked(folder: Path) -> dict[str, Any]:
    """Read `study.json`.

    Raises:
        DataError: No run folder.
    """
    if not (folder / "study.json").is_file():
        raise DataError(f"Expected the folder of a run, found no study.json in {folder}.")
    return dict(read_json(folder / "study.json"))


def asked_cells(asked: dict[str, Any]) -> Iterator[Cell]:
    """Walk the cells that were asked for, method by method."""
    for method in asked["methods"]:
        for split in asked["splits"]:
            for seed in asked["seeds"]:
                yield Cell(method["name"], split["name"], int(seed))


def read_record(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """Read the record of a cell; None where it was not tried yet."""
    path = folder / "cells" / cell.folder / "record.json"
    return dict(read_json(path)) if path.is_file() else None


def _finished(folder: Path, cell: Cell, record: dict[str, Any], positive: int) -> Finished:
    with np.load(folder / "cells" / cell.folder / "predictions.npz", allow_pickle=False) as stored:
        order = np.argsort(stored["test_ids"], kind="stable")
        return Finished(
            cell=cell,
            predictions=Predictions(
                y_true=stored["test_true"][order],
                y_score=stored["test_score"][order].astype(np.float64),
                positive=positive,
            ),
            validation=Predictions(
                y_true=stored["validation_true"],
                y_score=stored["validation_score"].astype(np.float64),
                positive=positive,
            ),
            patients=stored["test_groups"][order],
            ids=stored["test_ids"][order],
            seconds={stage: float(value) for stage, value in record["seconds"].items()},
            peak_memory_mb=float(record["peak_memory_mb"]),
        )


def _added(folder: Path, cell: Cell) -> bool:
    return (folder / "cells" / cell.folder / "synthetic.npz").is_file()


def _check_paired(finished: list[Finished]) -> None:
    """Refuse cells that cannot be compared in pairs because they were tested on other images."""
    first: dict[str, Finished] = {}
    for one in finished:
        other = first.setdefault(one.cell.split, one)
        same = np.array_equal(one.ids, other.ids) and np.array_equal(one.patients, other.patients)
        if not (same and np.array_equal(one.predictions.y_true, other.predictions.y_true)):
            raise DataError(
                f"Expected the same test images in every cell of {one.cell.split}, got others in "
                f"'{one.cell}' than in '{other.cell}'. Delete one of the two folders and run again."
            )
