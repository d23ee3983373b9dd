"""Operating points: when is an image called positive? Chosen on validation predictions, judged on test predictions.

Everything is about the positive class against all others together, for two classes and for more: whether an image
is called positive. So balanced accuracy here is the mean of recall and specificity of the positive class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Scores
from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.priors import correct_priors, fit_priors
from equipoise.metrics.thresholds import (
    FALSE_ALARM,
    MISSED,
    best_threshold,
    cheapest_threshold,
    cost_per_1000,
    threshold_at_recall,
)

Called = NDArray[np.bool_]  # (n,) whether each image is called positive

RECALLS = (0.95, 0.90)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Validation predictions of one classifier, and what is chosen by them."""

    validation: Predictions

    @property
    def has_both(self) -> bool:
        """Whether there are images of the positive class and of others; without, no threshold can be chosen."""
        positive = self.validation.y_true == self.validation.positive
        return bool(positive.any() and not positive.all())

    @cached_property
    def shares(self) -> Values:
        """(k,) share of each class among the validation images."""
        labels = self.validation.y_true
        return np.bincount(labels, minlength=self.validation.n_classes) / len(labels)

    @cached_property
    def trained(self) -> Values | None:
        """(k,) shares as if trained with which the scores are; None where a class has no validation image."""
        if not self.shares.all():
            return None
        return fit_priors(y_true=self.validation.y_true, y_score=self.validation.y_score)

    def corrected(self, y_score: Scores) -> Scores | None:
        """Correct scores, (n, k), to the class shares of the validation images; None as `trained`."""
        if self.trained is None:
            return None
        return correct_priors(y_score, trained=self.trained, target=self.shares)


MEASURES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        METRICS["balanced_accuracy"],
        METRICS["rare_recall"],
        METRICS["rare_specificity"],
        METRICS["rare_precision"],
        METRICS["rare_npv"],
        cost_per_1000(),
    )
}


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A rule that says which images are called positive.

    Attributes:
        name: Key in the table of points and in stored files.
        label: Name in sentences and tables.
        rule: What was chosen on validation, and scores (n, k), to (n,) calls; None where validation lacks a class.
        compared: The measure that methods are compared on at this point.
        source: Where it is defined.
    """

    name: str
    label: str
    rule: Callable[[Tuning, Scores], Called | None]
    compared: str
    source: str

    def decide(self, tuning: Tuning, test: Predictions) -> Values:
        """Give each test image a 1 in the column of its kind (`KINDS`), (n, 4); NaN where nothing can be chosen."""
        called = self.rule(tuning, test.y_score)
        if called is None:
            return np.full((len(test.y_true), 4), np.nan)
        return np.asarray(np.eye(4)[2 * (test.y_true == test.positive) + called])


KINDS = ((0, 0), (0, 1), (1, 0), (1, 1))  # truth and call: left alone, false alarm, missed, found


def of_counts(counts: Values) -> Predictions:
    """Make predictions out of numbers of images, (b, 4), in the order of `KINDS`: four images that weigh as much.

    Every measure of calls can be computed from them, of many runs and draws at once.
    """
    truth, called = np.array(KINDS).T
    return Predictions(y_true=truth, y_score=np.eye(2)[called], positive=1, weights=counts)


def at_recall(recall: float) -> OperatingPoint:
    """Make the point at which a share of the positive class, above 0 and up to 1, is found in validation."""
    return OperatingPoint(
        name=f"recall_{recall:g}",
        label=f"recall {100 * recall:g} % in validation",
        rule=lambda t, s: (
            _from(threshold_at_recall(t.validation, recall), t, s) if t.has_both else None
        ),
        compared="rare_specificity",
        source="a fixed clinical operating point; the recall in fact reached is measured on test like all else",
    )


def at_least_cost(*, missed: float = MISSED, false_alarm: float = FALSE_ALARM) -> OperatingPoint:
    """Make the point at which the cheaper call is made by corrected probabilities."""
    threshold = cheapest_threshold(missed=missed, false_alarm=false_alarm)
    return OperatingPoint(
        name="least_cost",
        label="least expected cost",
        rule=lambda t, s: None if (p := t.corrected(s)) is None else _from(threshold, t, p),
        compared="cost",
        source="methods 2.2, 7.5 (Elkan 2001); the prices are an assumption",
    )


def _largest(t: Tuning, y_score: Scores | None) -> Called | None:
    return None if y_score is None else np.asarray(y_score.argmax(axis=1) == t.validation.positive)


def _from(threshold: float, t: Tuning, y_score: Scores) -> Called:
    return np.asarray(y_score[:, t.validation.positive] >= threshold)


POINTS: dict[str, OperatingPoint] = {
    point.name: point
    for point in (
        OperatingPoint(
            name="largest",
            label="largest probability",
            rule=_largest,
            compared="balanced_accuracy",
            source="methods 7.5 (a): 0.5 for two classes",
        ),
        OperatingPoint(
            name="best_threshold",
            label="own best threshold",
            rule=lambda t, s: _from(best_threshold(t.validation), t, s) if t.has_both else None,
            compared="balanced_accuracy",
            source="methods 7.5 (b): best balanced accuracy in validation",
        ),
        OperatingPoint(
            name="corrected",
            label="corrected class shares",
            rule=lambda t, s: _largest(t, t.corrected(s)),
            compared="balanced_accuracy",
            source="methods 7.5 (c): largest probability after prior correction; see `equipoise.metrics.priors`",
        ),
        *(at_recall(recall) for recall in RECALLS),
        at_least_cost(),
    )
}
