"""`FinishedRun`: an opened run with the images of its study, from which evidence is gathered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels
from equipoise.atomic import read_arrays
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.loading import AnyClassifier, load_classifier
from equipoise.experiments.study import Study
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import mean_known
from equipoise.results.best_method import best_first
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FinishedCellRecord
from equipoise.runs.run import Run


@dataclass(frozen=True)
class FinishedRun:
    """A study with its images or volumes, and its run.

    Cells that failed or are missing are left out everywhere.

    Attributes:
        study: Images, splits and methods.
        run: The opened folder; nothing but evidence is written there.
    """

    study: Study
    run: Run

    @cached_property
    def records(self) -> dict[Cell, FinishedCellRecord]:
        """The records of the finished cells of the study, in its order."""
        finished = {record.cell: record for record in self.run.finished}
        records = {}
        for cell in self.study.cells():
            if cell in finished:
                records[cell] = finished[cell]
        return records

    @property
    def cells(self) -> list[Cell]:
        """The finished cells of the study, in its order."""
        return list(self.records)

    @property
    def generated(self) -> list[Cell]:
        """The finished cells with stored synthetic images."""
        return [cell for cell in self.cells if (self.path(cell) / "synthetic.npz").is_file()]

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.run.folder

    @property
    def features(self) -> Path:
        """Folder of the features of images, cached by content."""
        return self.run.workspace / "features"

    def path(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.run.path(cell)

    def predictions(self, cell: Cell) -> dict[str, NDArray[Any]]:
        """Read the stored predictions of a finished cell."""
        return read_arrays(self.path(cell) / "predictions.npz")

    def part(self, cell: Cell, name: str) -> ImageDataset:
        """Select the real images of "train", "validation" or "test" of a cell's split."""
        return self.study.images.subset(getattr(self.study.split(cell.split), name))

    def synthetic(self, cell: Cell) -> tuple[Images, Labels]:
        """Read the stored synthetic images of a cell, in storage type, and their classes."""
        arrays = read_arrays(self.path(cell) / "synthetic.npz")
        return arrays["images"], arrays["labels"]

    def classifier(self, cell: Cell) -> AnyClassifier:
        """Load the classifier of a cell, which finds frozen features in the workspace."""
        return load_classifier(self.path(cell) / "classifier", workspace=self.run.workspace)

    def beside(self, cell: Cell, methods: Sequence[str]) -> Cell | None:
        """Find the finished cell of the first of `methods` with the same split and seed."""
        for method in methods:
            candidate = Cell(method, cell.split, cell.seed)
            if candidate in self.records:
                return candidate
        return None


def first_cells(run: FinishedRun) -> list[Cell]:
    """List the finished cells of the first split and seed with any, in the order of methods."""
    selected: list[Cell] = []
    for cell in run.cells:
        if not selected or (cell.split, cell.seed) == (selected[0].split, selected[0].seed):
            selected.append(cell)
    return selected


def with_classifier(run: FinishedRun, cells: Sequence[Cell]) -> list[Cell]:
    """Select the cells whose classifier can be loaded: those of equipoise."""
    selected = []
    for cell in cells:
        _, estimator = run.study.methods[cell.method].steps[-1]
        if isinstance(estimator, AnyClassifier):
            selected.append(cell)
    return selected


def prominent(run: FinishedRun, cells: Sequence[Cell], most: int) -> list[Cell]:
    """Select at most `most` cells: the baseline's and those of the best methods.

    Best is the mean of the study's primary metric over all finished cells of a method. The report's
    charts select the same way.
    """
    if len(cells) <= most:
        return list(cells)
    metric = METRICS[run.study.primary_metric]
    means: dict[str, float] = {}
    for method in dict.fromkeys(cell.method for cell in cells):
        values = []
        for cell in run.cells:
            if cell.method == method:
                stored = run.predictions(cell)
                value = metric.function(
                    y_true=stored["test_true"],
                    y_score=stored["test_score"],
                    positive=run.study.positive,
                )
                values.append(value)
        means[method] = float(mean_known(np.array(values)))
    baseline = run.study.baseline_name
    ranked = sorted(best_first(metric, means), key=lambda method: method != baseline)
    return [cell for cell in cells if cell.method in ranked[:most]]
