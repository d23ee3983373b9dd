"""From which score on an image is called positive: chosen by balanced accuracy, by recall or by prices.

A threshold chosen on predictions is a score that one of their images has, and "called positive" means at least that
score. A method whose scores are another's in the same order therefore decides exactly alike.
"""

import math

import numpy as np
from sklearn.metrics import roc_curve

from equipoise.exceptions import SettingError
from equipoise.metrics.base import Metric, Predictions, Values

# Assumptions, not measurements: methods 2.2 leaves prices to the user. Who knows better ones should use them.
MISSED, FALSE_ALARM = 5.0, 1.0
AS_GOOD = 1e-12  # balanced accuracies this near are equal but for rounding


def best_threshold(p: Predictions) -> float:
    """Find the score of the positive class from which calling positive has the best balanced accuracy.

    Of equally good ones it is the lowest, which finds most. There must be images of the positive class and of
    others.
    """
    false_alarms, found, thresholds = roc_curve(
        p.y_true == p.positive, _score(p), drop_intermediate=False
    )
    gain = found - false_alarms  # twice the balanced accuracy less one
    return float(thresholds[np.flatnonzero(gain >= gain.max() - AS_GOOD)[-1]])


def threshold_at_recall(p: Predictions, recall: float) -> float:
    """Find the highest score from which calling positive finds at least a share of the positive class.

    Args:
        p: Predictions with an image of the positive class.
        recall: The share, above 0 and up to 1.

    Raises:
        SettingError: Another share.
    """
    if not 0 < recall <= 1:
        raise SettingError(f"Expected a recall above 0 and up to 1, got {recall}.")
    falling = np.sort(_score(p)[p.y_true == p.positive])[::-1]
    return float(
        falling[math.ceil(recall * len(falling) - 1e-9) - 1]
    )  # 0.95 * 20 is 19 but for rounding


def cheapest_threshold(*, missed: float, false_alarm: float) -> float:
    """Give the probability from which calling positive costs less than not, in the long run (Elkan 2001).

    Calling costs (1 - p) `false_alarm` on average, not calling p `missed`; right calls are free.

    Raises:
        SettingError: A price that is negative, or none above 0.
    """
    if min(missed, false_alarm) < 0 or missed + false_alarm <= 0:
        raise SettingError(
            f"Expected prices of at least 0, one above 0, got {missed} and {false_alarm}."
        )
    return false_alarm / (missed + false_alarm)


def cost_per_1000(*, missed: float = MISSED, false_alarm: float = FALSE_ALARM) -> Metric:
    """Make the metric of what wrong calls cost per 1,000 images, of which as many are positive as in the test."""
    cheapest_threshold(missed=missed, false_alarm=false_alarm)
    prices = np.array(
        [[0.0, false_alarm], [missed, 0.0]]
    )  # rows are the truth, the second the positive class
    return Metric(
        name="cost",
        label="cost per 1,000 images",
        rule=lambda p: (
            1000 * (p.confusion * prices).sum(axis=(1, 2)) / p.confusion.sum(axis=(1, 2))
        ),
        bounds=(0.0, 1000 * max(missed, false_alarm)),
        higher_is_better=False,
        summary=f"a missed positive costs {missed:g}, a false alarm {false_alarm:g}",
        source="methods 2.2, 7.5; the prices are an assumption",
    )


def _score(p: Predictions) -> Values:
    return np.asarray(p.y_score[:, p.positive])
