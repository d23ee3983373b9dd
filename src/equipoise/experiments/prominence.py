"""Which cells of a run are looked at more closely, where looking at all would cost too much or show too much."""

from collections.abc import Sequence

import numpy as np

from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.cell import Cell
from equipoise.experiments.judged import Judged
from equipoise.metrics.classification import METRICS


def first_cells(run: Judged) -> list[Cell]:
    """List the finished cells of the first split and seed that have any, in the order of the methods."""
    cells = run.cells
    return [cell for cell in cells if (cell.split, cell.seed) == (cells[0].split, cells[0].seed)]


def with_classifier(run: Judged, cells: Sequence[Cell]) -> list[Cell]:
    """Keep the cells whose classifier can be read again; another estimator stores what only it understands."""
    pipelines = run.study.methods
    return [cell for cell in cells if isinstance(pipelines[cell.method].steps[-1][1], ImageClassifier)]


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
