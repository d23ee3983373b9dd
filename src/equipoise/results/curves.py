"""ROC and precision-recall curves of the positive class, averaged over the runs of each method."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.thresholds import calls_at_scores
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


def mean_curves(run: ImageRun, methods: Sequence[str], *, points: int = 101) -> dict[str, Curves]:
    """Average the curves of each method over its runs; methods without a usable run are left out.

    Curves are averaged at equal false positive rate and equal recall, because scores of different
    trainings are not on one scale. ROC points are joined by lines; precision is a step function of
    recall, because no threshold reaches the points on a line between two precision-recall points
    (Davis and Goadrich 2006).
    """
    grid = np.linspace(0.0, 1.0, points)
    curves = {}
    for method in methods:
        sensitivity, precision, shares = [], [], []
        for cell in run.cells_of(method):
            positive = cell.predictions.y_true == cell.predictions.positive
            if positive.any() and not positive.all():
                score = cell.predictions.y_score[:, cell.predictions.positive]
                sensitivity.append(roc_on_grid(positive, score, grid))
                precision.append(precision_on_grid(positive, score, grid))
                shares.append(positive.mean())
        if shares:
            curves[method] = Curves(
                grid=grid,
                sensitivity=np.mean(sensitivity, axis=0),
                precision=np.mean(precision, axis=0),
                prevalence=float(np.mean(shares)),
                n_runs=len(shares),
            )
    return curves


def roc_on_grid(positive: NDArray[np.bool_], score: Values, grid: Values) -> Values:
    """Interpolate the true positive rate at false positive rates `grid`.

    Args:
        positive: (n,) whether each image is of the positive class; some are and some are not.
        score: (n,) probability of the positive class.
        grid: (points,) from 0 to 1.

    Example:
        >>> positive, score = np.array([True, True, False]), np.array([0.9, 0.2, 0.4])
        >>> roc_on_grid(positive, score, np.array([0.0, 0.5, 1.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    _, n_false, n_true = calls_at_scores(positive, score)
    # A vertical step has one x and many y: np.interp takes the last y. The curve starts at (0, 0).
    curve = np.interp(grid, n_false / n_false[-1], n_true / n_true[-1])
    curve[0] = 0.0
    return np.asarray(curve)


def precision_on_grid(positive: NDArray[np.bool_], score: Values, grid: Values) -> Values:
    """Return the precision of the largest threshold that reaches each recall of `grid`.

    Arguments are those of `roc_on_grid`.
    """
    _, n_false, n_true = calls_at_scores(positive, score)
    n_false, n_true = n_false[1:], n_true[1:]  # without the threshold that calls no image
    recall, precision = n_true / n_true[-1], n_true / (n_true + n_false)
    first = np.searchsorted(recall, grid - 1e-12, side="left")
    return np.asarray(precision[np.minimum(first, len(recall) - 1)])
