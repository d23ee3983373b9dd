"""`Judged`: a run with its images at hand, which is what evidence is gathered from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.study import Study
from equipoise.metrics.classification import METRICS
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore

if TYPE_CHECKING:
    from equipoise.resampling.base import Oversampler


@dataclass(frozen=True)
class Judged:
    """A study and the folder of its run.

    Attributes:
        study: Images, splits and methods that were asked for.
        store: Folder of the run; nothing is written to it through this class.
    """

    study: Study
    store: RunStore

    @property
    def cells(self) -> list[Cell]:
        """The finished cells of this study, in the asked order."""
        return [cell for cell in self.study.cells() if self.store.has(cell)]

    @property
    def generated(self) -> list[Cell]:
        """The finished cells that kept synthetic images."""
        return [cell for cell in self.cells if (self.store.path(cell) / "synthetic.npz").is_file()]

    @property
    def features(self) -> Path:
        """Folder where features of images are kept, by content."""
        return self.store.workspace / "features"

    def part(self, cell: Cell, name: str) -> ImageDataset:
        """Give the real images of "train", "validation" or "test" of a cell's split."""
        return self.study.images.subset(getattr(self.study.split(cell.split), name))

    def synthetic(self, cell: Cell) -> tuple[Images, Labels]:
        """Read the synthetic images that a cell kept, in storage type, and their classes."""
        with np.load(self.store.path(cell) / "synthetic.npz", allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]

    def classifier(self, cell: Cell) -> "ImageClassifier":
        """Read the classifier of a cell."""
        from equipoise.estimators.classifier import ImageClassifier

        return ImageClassifier.load(self.store.path(cell) / "classifier")

    def generator(self, cell: Cell) -> "Oversampler":
        """Read the generator of a cell that has one."""
        from equipoise.resampling.loading import load_oversampler

        return load_oversampler(self.store.path(cell) / "generator")

    def beside(self, cell: Cell, methods: Sequence[str]) -> Cell | None:
        """Find the finished cell of the first of `methods` on the same split with the same seed."""
        same = [Cell(method, cell.split, cell.seed) for method in methods]
        return next((one for one in same if self.store.has(one)), None)


def first_cells(run: Judged) -> list[Cell]:
    """List the finished cells of the first split and seed that have any, in the order of the methods."""
    cells = run.cells
    return [cell for cell in cells if (cell.split, cell.seed) == (cells[0].split, cells[0].seed)]


def with_classifier(run: Judged, cells: Sequence[Cell]) -> list[Cell]:
    """Keep the cells whose classifier can be read again; another estimator stores what only it understands."""
    pipelines = run.study.methods
    return [
        cell for cell in cells if isinstance(pipelines[cell.method].steps[-1][1], ImageClassifier)
    ]


def prominent(run: Judged, cells: Sequence[Cell], most: int) -> list[Cell]:
    """Keep at most `most` cells: the baseline's and those of the best methods, as the report's charts do.

    Best is the mean of the study's primary metric over all finished cells of a method.
    """
    if len(cells) <= most:
        return list(cells)
    baseline = run.study.baseline_name
    ranked = sorted(cells, key=lambda cell: (cell.method != baseline, -_mean(run, cell.method)))
    return [cell for cell in cells if cell in ranked[:most]]


def _mean(run: Judged, method: str) -> float:
    metric = METRICS[run.study.primary_metric]
    values = [_value(run, cell) for cell in run.cells if cell.method == method]
    known = [value for value in values if np.isfinite(value)]
    mean = float(np.mean(known)) if known else -np.inf
    return mean if metric.higher_is_better else -mean


def _value(run: Judged, cell: Cell) -> float:
    stored = run.store.predictions(cell)
    return METRICS[run.study.primary_metric].function(
        y_true=stored["test_true"], y_score=stored["test_score"], positive=run.study.positive
    )
