"""Thresholds for calling an image positive: by balanced accuracy, by recall or by cost.

"Called positive" means at least the threshold. The best threshold lies between two scores of the
images that it is chosen on, midway in log odds: two methods whose log odds differ by a constant, as
after a change of the class shares, then decide exactly alike, and where the classes are separated
the threshold is as far from one as from the other.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from equipoise.exceptions import SettingError
from equipoise.metrics.base import Metric, Predictions, Values

# Assumed costs, not measurements: pass better ones if you have them.
MISSED, FALSE_ALARM = 5.0, 1.0
SMALLEST = 1e-12  # probabilities closer to 0 or 1 count as this far away
AS_GOOD = 1e-12  # balanced accuracies this close are equal up to rounding


def best_threshold(p: Predictions) -> float:
    """Find the threshold of the positive class's score with the best balanced accuracy.

    Among equally good thresholds it is the lowest, which detects most; see `between` for its place
    between two scores.

    Args:
        p: Predictions with images of the positive class and of others.

    Source: Youden (1950), whose index J = sensitivity + specificity - 1 it maximizes. Difference:
    midway between two scores, where the usual choice is the upper one.

    Example:
        >>> import numpy as np
        >>> score = np.array([0.1, 0.2, 0.3, 0.6])
        >>> y_score = np.stack([1 - score, score], axis=1)
        >>> y_true = np.array([0, 0, 1, 1])
        >>> round(best_threshold(Predictions(y_true=y_true, y_score=y_score, positive=1)), 3)
        0.247
    """
    is_positive = p.y_true == p.positive
    thresholds, n_false, n_true = calls_at_scores(is_positive, _score(p))
    youden = n_true / n_true[-1] - n_false / n_false[-1]  # 2 * balanced accuracy - 1
    best = int(np.flatnonzero(youden >= youden.max() - AS_GOOD)[-1])
    return between(thresholds, best)


def calls_at_scores(
    is_positive: NDArray[np.bool_], score: Values
) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    """Count the images that are called positive at every threshold.

    Args:
        is_positive: (n,) whether each image is of the positive class.
        score: (n,) probability of the positive class.

    Returns:
        (t,) infinity, then the different scores in decreasing order; and how many other images and
        how many positive ones have at least that score.

    Example:
        >>> is_positive, score = np.array([True, False, True]), np.array([0.9, 0.4, 0.4])
        >>> thresholds, n_false, n_true = calls_at_scores(is_positive, score)
        >>> thresholds.tolist(), n_false.tolist(), n_true.tolist()
        ([inf, 0.9, 0.4], [0, 0, 1], [0, 1, 2])
    """
    thresholds = np.concatenate([[np.inf], np.unique(score)[::-1]])
    counts = []
    for scores in (score[~is_positive], score[is_positive]):
        counts.append(len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left"))
    n_false, n_true = counts
    return thresholds, n_false.astype(np.int64), n_true.astype(np.int64)


def between(thresholds: Values, i: int) -> float:
    """Return a threshold between two neighboring scores, midway in log odds.

    Args:
        thresholds: (t,) different scores in decreasing order behind one above all of them.
        i: Which images are called: those with at least `thresholds[i]`.

    Returns:
        A number above `thresholds[i + 1]` and up to `thresholds[i]`; above 1 where no image is
        called, 0 where all are.

    Example:
        >>> round(between(np.array([np.inf, 0.9, 0.5]), 1), 3)
        0.75
    """
    if i == 0:
        return float(np.nextafter(1.0, 2.0))
    if i == len(thresholds) - 1:
        return 0.0
    upper, lower = float(thresholds[i]), float(thresholds[i + 1])
    ends = np.clip([lower, upper], SMALLEST, 1 - SMALLEST)
    middle = float(expit(logit(ends).mean()))
    return middle if lower < middle <= upper else upper


def threshold_at_recall(p: Predictions, recall: float) -> float:
    """Find the highest threshold that detects at least a share of the positive class.

    Args:
        p: Predictions with an image of the positive class.
        recall: The share, above 0 and up to 1.

    Raises:
        SettingError: Another share.

    Example:
        >>> import numpy as np
        >>> score = np.array([0.1, 0.2, 0.3, 0.6])
        >>> y_score = np.stack([1 - score, score], axis=1)
        >>> predictions = Predictions(y_true=np.ones(4, int), y_score=y_score, positive=1)
        >>> threshold_at_recall(predictions, 0.75)
        0.2
    """
    check_recall(recall)
    falling = np.sort(_score(p)[p.y_true == p.positive])[::-1]
    # 0.95 * 20 may come out above 19 by rounding.
    return float(falling[math.ceil(recall * len(falling) - 1e-9) - 1])


def check_recall(recall: float) -> None:
    """Check that a share of the positive class can be required.

    Raises:
        SettingError: Not above 0 and up to 1.
    """
    if not 0 < recall <= 1:
        raise SettingError(f"Expected a recall above 0 and up to 1, got {recall}.")


def cheapest_threshold(*, missed: float, false_alarm: float) -> float:
    """Compute the probability from which calling positive costs less than not, on average.

    Calling costs (1 - p) `false_alarm`, not calling p `missed`; correct calls are free. They are
    equal at p = `false_alarm` / (`missed` + `false_alarm`).

    Raises:
        SettingError: A negative or infinite cost, or none above 0.

    Source: Elkan (2001), Eq. 2, with free correct calls.

    Example:
        >>> cheapest_threshold(missed=9.0, false_alarm=1.0)
        0.1
    """
    is_finite = math.isfinite(missed) and math.isfinite(false_alarm)
    if not is_finite or min(missed, false_alarm) < 0 or missed + false_alarm <= 0:
        raise SettingError(
            f"Expected finite costs of at least 0 and at least one above 0, got missed={missed} "
            f"and false_alarm={false_alarm}."
        )
    return false_alarm / (missed + false_alarm)


def cost_per_1000(*, missed: float = MISSED, false_alarm: float = FALSE_ALARM) -> Metric:
    """Build the metric of the cost of wrong calls per 1,000 images, at the test set's prevalence.

    Args:
        missed: Cost of a positive image that is not called.
        false_alarm: Cost of another image that is called positive.

    Raises:
        SettingError: A negative or infinite cost, or none above 0.

    Source: Elkan (2001), Eq. 1, with free correct calls.

    Example:
        >>> import numpy as np
        >>> y_score = np.eye(2)[[0, 0, 1, 0]]
        >>> cost_per_1000().function(y_true=np.array([0, 0, 0, 1]), y_score=y_score, positive=1)
        1500.0
    """
    cheapest_threshold(missed=missed, false_alarm=false_alarm)
    costs = np.array([[0.0, false_alarm], [missed, 0.0]])  # rows: truth; columns: call

    def cost(p: Predictions) -> Values:
        counts = p.confusion  # (b, 2, 2)
        total = counts.sum(axis=(1, 2))  # 0 where a draw leaves every patient out
        mean = np.full(total.shape, np.nan)
        np.divide((counts * costs).sum(axis=(1, 2)), total, out=mean, where=total > 0)
        return 1000 * mean

    return Metric(
        name="cost",
        label="cost per 1,000 images",
        rule=cost,
        bounds=(0.0, 1000 * max(missed, false_alarm)),
        higher_is_better=False,
        summary=f"a missed positive costs {missed:g}, a false alarm {false_alarm:g}",
        source="Elkan (2001), Eq. 1; the costs are an assumption",
    )


def _score(p: Predictions) -> Values:
    return np.asarray(p.y_score[:, p.positive])
