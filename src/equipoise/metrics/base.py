"""Metrics of classification as records, and the predictions that they are computed from."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from equipoise.arrays import Labels, Scores
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.class_areas import ClassAreas, RankedClasses, rank_classes
from equipoise.metrics.ranking import membership
from equipoise.validation import check_labels

Values = NDArray[np.float64]
T = TypeVar("T")

NEARLY = 1e-3 + 1e-5  # how far a sum of probabilities may be from 1


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scores of n images with known classes, under b weightings of the images.

    One weighting of ones gives the plain metric; a bootstrap passes b weightings at once, so that
    a thousand draws cost a few matrix products.

    Attributes:
        y_true: (n,) codes 0..k-1.
        y_score: (n, k) probabilities, rows sum to 1; the predicted class is the largest (the first
            on a tie).
        positive: Code of the positive class.
        weights: (b, n) >= 0, how often each image counts; None counts each once.

    Raises:
        DataError: Shapes or ranges differ from the above.
        SettingError: `positive` is not one of the k classes.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
        >>> predictions = Predictions(y_true=np.array([0, 1, 1]), y_score=scores, positive=1)
        >>> predictions.confusion.astype(int).tolist()
        [[[1, 0], [1, 1]]]
    """

    y_true: Labels
    y_score: Scores
    positive: int
    weights: Values | None = None

    def __post_init__(self) -> None:
        n, k = check_scores(self.y_score)
        y_true = check_labels(self.y_true, n, name="y_true")
        low, high = int(y_true.min()), int(y_true.max())
        if low < 0 or high >= k:
            raise DataError(
                f"Expected y_true in 0..{k - 1}, because y_score has {k} columns, "
                f"got {low} to {high}."
            )
        if not 0 <= self.positive < k:
            raise SettingError(f"Expected the positive class in 0..{k - 1}, got {self.positive}.")

    @property
    def n_classes(self) -> int:
        """Number of classes, present or not."""
        return int(self.y_score.shape[1])

    @cached_property
    def weighting(self) -> Values:
        """(b, n) weights; a single row of ones if no weights were passed."""
        return np.ones((1, len(self.y_true))) if self.weights is None else self.weights

    @cached_property
    def confusion(self) -> Values:
        """(b, k, k) weighted counts; rows are the truth, columns the prediction."""
        k = self.n_classes
        cell = self.y_true * k + self.y_score.argmax(axis=1)
        marks = np.zeros((len(cell), k * k))
        marks[np.arange(len(cell)), cell] = 1.0
        return np.reshape(self.weighting @ marks, (-1, k, k))

    @cached_property
    def hits(self) -> Values:
        """(b, k) weight of the images of each class that are called it."""
        return self._weight_of_kinds[:, : self.n_classes]

    @cached_property
    def support(self) -> Values:
        """(b, k) weight of the images of each class; exactly `hits` where none is missed."""
        k = self.n_classes
        return np.asarray(self.hits + self._weight_of_kinds[:, k : 2 * k])

    @cached_property
    def called(self) -> Values:
        """(b, k) weight of the images that are called each class."""
        return np.asarray(self.hits + self._weight_of_kinds[:, 2 * self.n_classes :])

    @cached_property
    def total(self) -> Values:
        """(b,) weight of all images."""
        return np.asarray(self.support.sum(axis=1))

    @cached_property
    def _weight_of_kinds(self) -> Values:
        return np.asarray((self.per_image(_kinds_of_calls) @ self.by_image).T)

    @cached_property
    def by_image(self) -> Values:
        """(n, b) weights, image by image in memory."""
        return np.ascontiguousarray(self.weighting.T)

    @property
    def sorted_by_class(self) -> RankedClasses:
        """The images sorted by the score of each class, whatever their weights."""
        return self.per_image(_sort_by_class)

    def areas_of(self, label: int) -> tuple[Values, Values]:
        """Compute (b,) one-vs-rest AUROC and (b,) average precision of a class.

        They are NaN where the class is absent.
        """
        return self._areas.of(label)

    @cached_property
    def _areas(self) -> ClassAreas:
        return ClassAreas(self.sorted_by_class, self.by_image)

    @cached_property
    def areas(self) -> tuple[Values, Values]:
        """(b, k) one-vs-rest AUROC and (b, k) average precision; NaN if the class is absent."""
        of_classes = [self.areas_of(label) for label in range(self.n_classes)]
        auroc, precision = np.array(of_classes).transpose(1, 2, 0)
        return auroc, precision

    def per_image(self, compute: Callable[["Predictions"], T]) -> T:
        """Return `compute(self)`, which must not depend on the weights: once for all weightings."""
        if compute not in self._per_image:
            self._per_image[compute] = compute(self)
        result: T = self._per_image[compute]
        return result

    @cached_property
    def _per_image(self) -> dict[Callable[["Predictions"], Any], Any]:
        return {}

    def of_calls(self, hits: Values, support: Values, called: Values) -> Self:
        """Return predictions of which only the numbers (b, k) of images are known, not which.

        Metrics of the calls alone need no more.
        """
        twin = self.reweighted(np.empty((len(hits), 0)))
        vars(twin).update(hits=hits, support=support * 1.0, called=called)
        return twin

    def reweighted(self, weights: Values) -> Self:
        """Return the same predictions under other weights, (b, n): not checked or sorted again."""
        twin = object.__new__(type(self))
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        vars(twin).update(values, weights=weights, _per_image=self._per_image)
        return twin


def _kinds_of_calls(p: Predictions) -> csc_matrix:
    """Mark each image as a hit of its class, missed of its class or called wrongly: (3k, n)."""
    k = p.n_classes
    called = p.y_score.argmax(axis=1)
    is_hit = called == p.y_true
    of_truth = np.where(is_hit, p.y_true, k + p.y_true)
    of_wrong_call = np.where(is_hit, -1, 2 * k + called)
    return membership(of_truth, of_wrong_call, n_kinds=3 * k)


def _sort_by_class(p: Predictions) -> RankedClasses:
    return rank_classes(p.y_true, p.y_score)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number for one set of predictions.

    Attributes:
        name: Key in the table of metrics and in every stored file.
        label: Name in sentences and figures.
        rule: Weighted predictions (of images, or measures of volumes) to (b,) values; NaN if a
            class that it needs is absent, never 0.
        bounds: Lowest and highest value.
        higher_is_better: Direction.
        summary: What it measures, in one line.
        source: Where it is defined.
    """

    name: str
    label: str
    rule: Callable[[Any], Values]
    summary: str
    source: str
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True

    def function(self, *, y_true: Labels, y_score: Scores, positive: int) -> float:
        """Compute the metric.

        All arguments are keywords: swapped arrays would silently swap precision and recall.

        Args:
            y_true: (n,) codes 0..k-1.
            y_score: (n, k) probabilities, rows sum to 1.
            positive: Code of the positive class, usually the rare one.

        Raises:
            DataError: Arrays of another shape or range.
            SettingError: `positive` is not one of the k classes.

        Example:
            >>> import numpy as np
            >>> from equipoise.metrics.classification import METRICS
            >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
            >>> METRICS["rare_recall"].function(
            ...     y_true=np.array([0, 1, 1]), y_score=scores, positive=1
            ... )
            0.5
        """
        return float(self.rule(Predictions(y_true=y_true, y_score=y_score, positive=positive))[0])


def check_scores(y_score: Any) -> tuple[int, int]:
    """Return (n, k) of probabilities of shape (n, k).

    Raises:
        DataError: Empty, fewer than two classes, not finite, outside 0..1, or rows that do not
            sum to 1 within 0.001.
    """
    array = np.asarray(y_score)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 2:
        raise DataError(
            f"Expected y_score of shape (n, k) with n >= 1 and k >= 2, got {array.shape}."
        )
    in_range = bool(np.isfinite(array).all() and (array >= 0).all())
    if not in_range or not (np.abs(array.sum(axis=1) - 1.0) <= NEARLY).all():
        raise DataError(
            "Expected y_score as probabilities whose rows sum to 1. "
            "Apply a softmax to logits first."
        )
    return int(array.shape[0]), int(array.shape[1])
