"""The decision that suits a classifier best: a threshold for two classes, offsets for more.

Rebalancing changes the class shares that a classifier believes in and thereby mostly moves its
operating point (Elkan 2001), which a threshold gives for nothing. Methods are therefore compared
with each at the decision that was best on its own validation images.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from equipoise.arrays import Labels, Scores
from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.thresholds import AS_GOOD, SMALLEST, between, calls_at_scores

# Metrics of the calls alone in which errors of every class count, so that tuning a decision for
# them makes sense.
TUNABLE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "worst_class_recall",
    "rare_f1",
    "g_mean",
)
# Metrics of the calls that calling all images one class wins: a threshold can buy any value.
ONE_SIDED = ("rare_recall", "rare_precision", "rare_specificity", "rare_npv")
MOST_SWEEPS = 20  # over the classes; three or four suffice in practice


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """A rule from scores to classes.

    Attributes:
        positive: Code of the positive class.
        threshold: Of two classes, the probability from which an image is called positive; NaN for
            more.
        offsets: (k,) what is added to the log probability of each class before the largest is
            called; 0 for the first class.
    """

    positive: int
    threshold: float
    offsets: Values

    def calls(self, y_score: Scores) -> Labels:
        """Return the class (n,) that is called for scores (n, k)."""
        if len(self.offsets) == 2:
            is_positive = y_score[:, self.positive] >= self.threshold
            return np.where(is_positive, self.positive, 1 - self.positive).astype(np.int64)
        return np.asarray((_logs(y_score) + self.offsets).argmax(axis=1))

    def moved(self, y_score: Scores) -> Scores:
        """Return scores (n, k) whose largest is this decision: odds multiplied by the offsets."""
        logs = _logs(y_score) + self.offsets
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def decided(self, p: Predictions) -> Predictions:
        """Return predictions whose scores are these calls, 1 for the called class."""
        return replace(p, y_score=np.eye(p.n_classes)[self.calls(p.y_score)])


def decided_metric(primary: Metric) -> Metric:
    """Return the metric on which a verdict rests: `primary` with every method at its own decision.

    A metric that a constant answer wins (the recall of the positive class) is replaced by balanced
    accuracy; one that no threshold changes is returned as it is.

    Example:
        >>> decided_metric(METRICS["macro_f1"]).name, decided_metric(METRICS["rare_recall"]).name
        ('decided_macro_f1', 'decided_balanced_accuracy')
        >>> decided_metric(METRICS["auroc"]).name
        'auroc'
    """
    if primary.name in ONE_SIDED:
        primary = METRICS["balanced_accuracy"]
    if primary.name not in TUNABLE:
        return primary
    return replace(
        primary,
        name=f"decided_{primary.name}",
        label=f"{primary.label} at own thresholds",
        summary=f"{primary.summary}; every method decides by the threshold (for more than two "
        "classes: by offsets of the log probabilities) that is best on its own validation images",
        source=f"{primary.source}; thresholds as Youden (1950), offsets by coordinate ascent",
    )


# The metrics of calls at own thresholds, by name.
DECIDED = {metric.name: metric for metric in (decided_metric(METRICS[name]) for name in TUNABLE)}


def fit_decision(validation: Predictions, metric: Metric) -> Decision | None:
    """Find the decision with the best value of a metric on validation images.

    For two classes, the lowest of the equally good thresholds, which detects most: for balanced
    accuracy it is that of `equipoise.metrics.thresholds.best_threshold`. For more, offsets by
    coordinate ascent from 0: each class in turn gets the offset that is best with the others
    fixed, the one nearest to its present offset among equally good ones.

    Args:
        validation: Predictions of validation images.
        metric: A metric of the calls; see `TUNABLE`.

    Returns:
        The decision; None where a class has no validation image.

    Example:
        >>> scores = np.array([0.1, 0.2, 0.3, 0.6])
        >>> validation = Predictions(
        ...     y_true=np.array([0, 0, 1, 1]),
        ...     y_score=np.stack([1 - scores, scores], axis=1),
        ...     positive=1,
        ... )
        >>> round(fit_decision(validation, METRICS["balanced_accuracy"]).threshold, 3)
        0.247

    See Also:
        `equipoise.metrics.operating.POINTS`: further decisions, for two classes.
    """
    if not np.bincount(validation.y_true, minlength=validation.n_classes).all():
        return None
    if validation.n_classes == 2:
        return _fit_threshold(validation, metric)
    logs = _logs(validation.y_score)
    offsets = np.zeros(validation.n_classes)
    reached = -np.inf
    for _ in range(MOST_SWEEPS):
        before = reached
        for label in range(validation.n_classes):
            offsets[label], reached = _best_offset(validation, logs, offsets, label, metric)
        if reached <= before + AS_GOOD:
            break
    return Decision(
        positive=validation.positive, threshold=float("nan"), offsets=offsets - offsets[0]
    )


def _fit_threshold(validation: Predictions, metric: Metric) -> Decision:
    positive, other = validation.positive, 1 - validation.positive
    is_positive = validation.y_true == positive
    # From calling no image positive to calling all of them.
    thresholds, *counts = calls_at_scores(is_positive, validation.y_score[:, positive])
    hits, called = np.zeros((len(thresholds), 2)), np.zeros((len(thresholds), 2))
    n_false, n_true = counts
    hits[:, positive], hits[:, other] = n_true, n_false[-1] - n_false
    called[:, positive] = n_true + n_false
    called[:, other] = len(is_positive) - called[:, positive]
    values = _of_calls(hits, called, validation, metric)
    best = int(np.flatnonzero(values >= values.max() - AS_GOOD)[-1])
    threshold = between(thresholds, best)
    odds = -logit(np.clip(threshold, SMALLEST, 1 - SMALLEST))
    offsets = np.zeros(2)
    offsets[1] = odds if positive == 1 else -odds
    return Decision(positive=positive, threshold=threshold, offsets=offsets)


def _best_offset(
    validation: Predictions, logs: Values, offsets: Values, label: int, metric: Metric
) -> tuple[float, float]:
    """Return the best offset of a class with those of the others fixed, and the metric there."""
    k = validation.n_classes
    others = logs + offsets
    others[:, label] = -np.inf
    rival = others.argmax(axis=1)
    margin = others.max(axis=1) - logs[:, label]  # the class is called from this offset on
    order = np.argsort(margin, kind="stable")
    margin, rival, truth = margin[order], rival[order], validation.y_true[order]
    # As offsets rise, one image after the other is called this class and no longer its rival.
    rows = np.arange(1, len(margin) + 1)
    gained, lost = np.zeros((len(margin) + 1, k)), np.zeros((len(margin) + 1, k))
    gained[1:, label] = 1.0
    lost[rows, rival] = 1.0
    is_hit, was_hit = truth == label, truth == rival
    called = np.bincount(rival, minlength=k) + (gained - lost).cumsum(axis=0)  # (n + 1, k)
    gained[1:, label] = is_hit
    lost[rows, rival] = was_hit
    hits = np.bincount(truth[was_hit], minlength=k) + (gained - lost).cumsum(axis=0)
    # Between two margins, or beyond the last; an offset at equal margins does not exist.
    edges = np.concatenate([[margin[0] - 1.0], margin, [margin[-1] + 1.0]])
    candidates = (edges[:-1] + edges[1:]) / 2
    exists = np.concatenate([[True], np.diff(margin) > AS_GOOD, [True]])
    values = np.where(exists, _of_calls(hits, called, validation, metric), -np.inf)
    best = np.flatnonzero(values >= values.max() - AS_GOOD)
    nearest = best[np.argmin(np.abs(candidates[best] - offsets[label]))]
    return float(candidates[nearest]), float(values.max())


def _of_calls(hits: Values, called: Values, validation: Predictions, metric: Metric) -> Values:
    """Compute a metric (b,) of b ways to call images; higher is better in the result.

    Args:
        hits: (b, k) images of each class that are called it.
        called: (b, k) images that are called each class.
        validation: The images.
        metric: A metric of the calls.
    """
    support = np.bincount(validation.y_true, minlength=validation.n_classes)
    values = metric.rule(validation.of_calls(hits, np.broadcast_to(support, hits.shape), called))
    return np.nan_to_num(values if metric.higher_is_better else -values, nan=-np.inf)


def _logs(y_score: Scores) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(y_score, SMALLEST)))
