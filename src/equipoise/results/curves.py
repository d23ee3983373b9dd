"""ROC and precision-recall curves of the rare class, averaged over the runs of each method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from equipoise.metrics.base import Predictions
from equipoise.runs.image_run import Finished, read_study

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Mean curves of one method on a grid of `points` values from 0 to 1.

    Attributes:
        grid: (points,) false positive rate of the ROC curve, recall of the other.
        sensitivity: (points,) mean true positive rate at each false positive rate.
        precision: (points,) mean precision at each recall.
        prevalence: Mean share of the rare class, the precision of chance.
        n_runs: Runs with both the rare class and others among the test images.
    """

    grid: Values
    sensitivity: Values
    precision: Values
    prevalence: float
    n_runs: int


def pooled_curves(folder: Path, *, points: int = 101) -> dict[str, Curves]:
    """Average the curves of each method over its runs; methods without a usable run are left out.

    Averaged at equal false positive rate and equal recall, because scores of different trainings are not on one
    scale. ROC points are joined by lines; precision is a step function of recall, because lines between
    precision-recall points promise what no threshold reaches (Davis and Goadrich 2006).
    """
    study = read_study(Path(folder))
    runs = {name: [one for one in study.finished if _usable(one, name)] for name in study.methods}
    grid = np.linspace(0.0, 1.0, points)
    return {
        name: _average([one.predictions for one in some], grid)
        for name, some in runs.items()
        if some
    }


def _usable(one: Finished, method: str) -> bool:
    rare = one.predictions.y_true == one.predictions.positive
    return one.cell.method == method and bool(rare.any()) and not bool(rare.all())


def _average(runs: list[Predictions], grid: Values) -> Curves:
    return Curves(
        grid=grid,
        sensitivity=np.mean([_roc(run, grid) for run in runs], axis=0),
        precision=np.mean([_precision(run, grid) for run in runs], axis=0),
        prevalence=float(np.mean([(run.y_true == run.positive).mean() for run in runs])),
        n_runs=len(runs),
    )


def _roc(run: Predictions, grid: Values) -> Values:
    rare = run.y_true == run.positive
    false_positives, sensitivity, _ = roc_curve(
        rare, run.y_score[:, run.positive], drop_intermediate=False
    )
    # A vertical step has one x and many y: np.interp takes the last y, and the curve starts at (0, 0).
    curve = np.interp(grid, false_positives, sensitivity)
    curve[0] = 0.0
    return np.asarray(curve)


def _precision(run: Predictions, grid: Values) -> Values:
    rare = run.y_true == run.positive
    precision, recall, _ = precision_recall_curve(rare, run.y_score[:, run.positive])
    # Rising recall; at each grid point the first threshold that reaches it. The last point (recall 0,
    # precision 1) is a convention of the library, not a threshold.
    recall, precision = recall[-2::-1], precision[-2::-1]
    first = np.searchsorted(recall, grid - 1e-12, side="left")
    return np.asarray(precision[np.minimum(first, len(recall) - 1)])
