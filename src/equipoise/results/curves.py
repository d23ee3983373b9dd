"""ROC and precision-recall curves of the positive class, averaged over the runs of each method."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from equipoise.metrics.base import Predictions
from equipoise.runs.image_run import ImageRun

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Mean curves of one method on a grid of values from 0 to 1.

    Attributes:
        grid: (points,) false positive rate of the ROC curve, recall of the other.
        sensitivity: (points,) mean true positive rate at each false positive rate.
        precision: (points,) mean precision at each recall.
        prevalence: Mean share of the positive class, which is the precision of a random score.
        n_runs: Runs with both the positive class and others among the test images.
    """

    grid: Values
    sensitivity: Values
    precision: Values
    prevalence: float
    n_runs: int


def mean_curves(run: ImageRun, *, points: int = 101) -> dict[str, Curves]:
    """Average the curves of each method over its runs; methods without a usable run are left out.

    Curves are averaged at equal false positive rate and equal recall, because scores of different
    trainings are not on one scale. ROC points are joined by lines; precision is a step function of
    recall, because no threshold reaches the points on a line between two precision-recall points
    (Davis and Goadrich 2006).
    """
    grid = np.linspace(0.0, 1.0, points)
    curves = {}
    for method in run.methods:
        usable = []
        for cell in run.cells_of(method):
            positive = _is_positive(cell.predictions)
            if positive.any() and not positive.all():
                usable.append(cell.predictions)
        if usable:
            curves[method] = _average(usable, grid)
    return curves


def _average(predictions: Sequence[Predictions], grid: Values) -> Curves:
    return Curves(
        grid=grid,
        sensitivity=np.mean([_roc(p, grid) for p in predictions], axis=0),
        precision=np.mean([_precision(p, grid) for p in predictions], axis=0),
        prevalence=float(np.mean([_is_positive(p).mean() for p in predictions])),
        n_runs=len(predictions),
    )


def _roc(predictions: Predictions, grid: Values) -> Values:
    score = predictions.y_score[:, predictions.positive]
    false_positives, sensitivity, _ = roc_curve(
        _is_positive(predictions), score, drop_intermediate=False
    )
    # A vertical step has one x and many y: np.interp takes the last y. The curve starts at (0, 0).
    curve = np.interp(grid, false_positives, sensitivity)
    curve[0] = 0.0
    return np.asarray(curve)


def _precision(predictions: Predictions, grid: Values) -> Values:
    score = predictions.y_score[:, predictions.positive]
    precision, recall, _ = precision_recall_curve(_is_positive(predictions), score)
    # In order of rising recall. The last point (recall 0, precision 1) is left out: it is a
    # convention of scikit-learn, not a threshold.
    recall, precision = recall[-2::-1], precision[-2::-1]
    first = np.searchsorted(recall, grid - 1e-12, side="left")  # threshold that reaches each recall
    return np.asarray(precision[np.minimum(first, len(recall) - 1)])


def _is_positive(predictions: Predictions) -> NDArray[np.bool_]:
    return np.asarray(predictions.y_true == predictions.positive)
