"""Operating points: rules that call an image positive, chosen on validation and applied to test.

Everything is about the positive class against all other classes together, for two classes and for
more. Their mean of recall and specificity is balanced accuracy where there are two classes, and has
another name because it is not where there are more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    check_recall,
    cost_per_1000,
    threshold_at_recall,
)

Called = NDArray[np.bool_]  # (n,) whether each image is called positive

RECALLS = (0.95, 0.90)
MEAN_RECALL = "recall_and_specificity"


@dataclass(frozen=True, eq=False)
class Tuning:
    """Validation predictions of a classifier, and what is fitted to them.

    Example:
        >>> import numpy as np
        >>> y_score = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
        >>> y_true = np.array([0, 0, 1, 1])
        >>> tuning = Tuning(Predictions(y_true=y_true, y_score=y_score, positive=1))
        >>> POINTS["best_threshold"].rule(tuning, np.array([[0.7, 0.3], [0.8, 0.2]])).tolist()
        [True, False]
    """

    validation: Predictions

    @property
    def has_both(self) -> bool:
        """Whether there are images of the positive class and of others: a threshold needs both."""
        positive = self.validation.y_true == self.validation.positive
        return bool(positive.any() and not positive.all())

    @cached_property
    def shares(self) -> Values:
        """(k,) share of each class among the validation images."""
        labels = self.validation.y_true
        return np.bincount(labels, minlength=self.validation.n_classes) / len(labels)

    @cached_property
    def trained(self) -> Values | None:
        """(k,) class shares that the scores imply; None if a class has no validation image."""
        if not self.shares.all():
            return None
        return fit_priors(y_true=self.validation.y_true, y_score=self.validation.y_score)

    @cached_property
    def best_threshold(self) -> float:
        """The threshold with the best balanced accuracy; needs both sides."""
        return best_threshold(self.validation)

    def corrected(self, y_score: Scores) -> Scores | None:
        """Correct (n, k) scores to the class shares of the validation images; None as `trained`."""
        if self.trained is None:
            return None
        return correct_priors(y_score, trained=self.trained, target=self.shares)


MEASURES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        replace(
            METRICS["balanced_accuracy"],
            name=MEAN_RECALL,
            label="mean of recall and specificity",
            summary="mean of recall and specificity of the positive class against all others",
        ),
        METRICS["rare_recall"],
        METRICS["rare_specificity"],
        METRICS["rare_precision"],
        METRICS["rare_npv"],
        cost_per_1000(),
    )
}


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A rule that decides which images are called positive.

    Attributes:
        name: Key in the table of points and in stored files.
        label: Name in sentences and tables.
        rule: What was chosen on validation, and scores (n, k), to (n,) calls; None if validation
            lacks a class.
        compared: The measure by which methods are compared at this point.
        source: Where it is defined.
    """

    name: str
    label: str
    rule: Callable[[Tuning, Scores], Called | None]
    compared: str
    source: str

    def decide(self, tuning: Tuning, test: Predictions) -> Values:
        """Mark each test image in the column of its kind (`KINDS`), (n, 4); NaN without a rule."""
        called = self.rule(tuning, test.y_score)
        if called is None:
            return np.full((len(test.y_true), 4), np.nan)
        return np.asarray(np.eye(4)[2 * (test.y_true == test.positive) + called])


# (truth, call): true negative, false positive, false negative, true positive.
KINDS = ((0, 0), (0, 1), (1, 0), (1, 1))


def of_counts(counts: Values) -> Predictions:
    """Build predictions from numbers of images, (b, 4) in the order of `KINDS`.

    They are four images that weigh as much as the counts. Every measure of calls can be computed
    from them, of many runs and draws at once.

    Example:
        >>> import numpy as np
        >>> MEASURES["rare_recall"].rule(of_counts(np.array([[90.0, 10.0, 2.0, 8.0]]))).tolist()
        [0.8]
    """
    truth, called = np.array(KINDS).T
    return Predictions(y_true=truth, y_score=np.eye(2)[called], positive=1, weights=counts)


def at_recall(recall: float) -> OperatingPoint:
    """Build the point with a recall of the positive class, above 0 and up to 1, in validation.

    Example:
        >>> at_recall(0.95).name
        'recall_0.95'

    Raises:
        SettingError: Another recall.
    """
    check_recall(recall)

    def rule(tuning: Tuning, y_score: Scores) -> Called | None:
        if not tuning.has_both:
            return None
        return _from(threshold_at_recall(tuning.validation, recall), tuning, y_score)

    return OperatingPoint(
        name=f"recall_{recall:g}",
        label=f"recall {100 * recall:g} % in validation",
        rule=rule,
        compared="rare_specificity",
        source="a fixed recall in validation; the recall in test is measured like everything else",
    )


def at_least_cost(*, missed: float = MISSED, false_alarm: float = FALSE_ALARM) -> OperatingPoint:
    """Build the point of the cheaper call by corrected probabilities.

    Args:
        missed: Cost of a positive image that is not called.
        false_alarm: Cost of another image that is called positive.

    Source: Elkan (2001), Eq. 2, on probabilities corrected as in Saerens et al. (2002), Eq. 2.4.

    Example:
        >>> at_least_cost(missed=9.0, false_alarm=1.0).compared
        'cost'
    """
    threshold = cheapest_threshold(missed=missed, false_alarm=false_alarm)

    def rule(tuning: Tuning, y_score: Scores) -> Called | None:
        corrected = tuning.corrected(y_score)
        return None if corrected is None else _from(threshold, tuning, corrected)

    return OperatingPoint(
        name="least_cost",
        label="least expected cost",
        rule=rule,
        compared="cost",
        source="Elkan (2001), Eq. 2; the costs are an assumption",
    )


def _largest(tuning: Tuning, y_score: Scores | None) -> Called | None:
    if y_score is None:
        return None
    return np.asarray(y_score.argmax(axis=1) == tuning.validation.positive)


def _best_threshold(tuning: Tuning, y_score: Scores) -> Called | None:
    if not tuning.has_both:
        return None
    return _from(tuning.best_threshold, tuning, y_score)


def _from(threshold: float, tuning: Tuning, y_score: Scores) -> Called:
    return np.asarray(y_score[:, tuning.validation.positive] >= threshold)


POINTS: dict[str, OperatingPoint] = {
    point.name: point
    for point in (
        OperatingPoint(
            name="largest",
            label="largest probability",
            rule=_largest,
            compared=MEAN_RECALL,
            source="the usual decision; 0.5 for two classes",
        ),
        OperatingPoint(
            name="best_threshold",
            label="own best threshold",
            rule=_best_threshold,
            compared=MEAN_RECALL,
            source="Youden (1950): best balanced accuracy in validation",
        ),
        OperatingPoint(
            name="corrected",
            label="corrected class shares",
            rule=lambda tuning, y_score: _largest(tuning, tuning.corrected(y_score)),
            compared=MEAN_RECALL,
            source="Saerens et al. (2002), Eq. 2.4, from shares fitted to validation predictions",
        ),
        *(at_recall(recall) for recall in RECALLS),
        at_least_cost(),
    )
}
