"""Areas under the ROC and precision-recall curves, under many weightings at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

SMALLEST = np.finfo(np.float64).tiny
FEW_WEIGHTINGS = 256  # below, a cumulative sum is faster than a sum of rows


def areas(score: Values, truth: NDArray[np.bool_], weights: Values) -> tuple[Values, Values]:
    """Compute AUROC and average precision of a score, for each row of weights.

    Equal to scikit-learn's `roc_auc_score` and `average_precision_score` with `sample_weight`
    (ties share one threshold), but treats all weightings together.

    Args:
        score: (n,) higher means more likely positive.
        truth: (n,) True where the class is present.
        weights: (b, n) >= 0.

    Returns:
        (b,) AUROC and (b,) average precision, both in 0..1. AUROC is NaN if either side has no
        weight, average precision if the positive side has none.

    Source: Hanley and McNeil (1982), Radiology 143:29: AUROC as the probability that a positive
    image outranks a negative one, ties counted half.

    Example:
        >>> import numpy as np
        >>> score = np.array([0.9, 0.7, 0.6, 0.2])
        >>> auroc, precision = areas(score, np.array([True, False, True, False]), np.ones((1, 4)))
        >>> auroc.tolist(), precision.round(3).tolist()
        ([0.75], [0.833])

    See Also:
        `equipoise.metrics.delong.influences`: one AUROC, and how much each image moves it.
    """
    return sort_images(score, truth).areas(np.ascontiguousarray(weights.T))


@dataclass(frozen=True, kw_only=True, eq=False)
class SortedImages:
    """n images from the highest score to the lowest, sorted once for any number of weightings.

    Attributes:
        positives: (p,) positive images, the highest score first.
        negatives: (n - p,) the others likewise.
        through: (p,) negatives with the score of each positive or a higher one.
        before: (p,) negatives with a higher score.
        last_tie: (p,) place of the last positive with the same score.
    """

    positives: Rows
    negatives: Rows
    through: Rows
    before: Rows
    last_tie: Rows

    def areas(self, by_image: Values) -> tuple[Values, Values]:
        """Compute (b,) AUROC and (b,) average precision; `by_image` (n, b) are weights."""
        true_weights = by_image[self.positives]  # (p, b)
        false_in_front = np.empty((len(self.negatives) + 1, by_image.shape[1]))
        false_in_front[0] = 0.0
        np.take(by_image, self.negatives, axis=0, out=false_in_front[1:], mode="clip")
        _add_up(false_in_front)
        true_in_front = true_weights.copy()
        _add_up(true_in_front)
        n_true, n_false = true_weights.sum(axis=0), false_in_front[-1]

        ahead = false_through = false_in_front[self.through]  # (p, b)
        if (self.through != self.before).any():  # a tie counts half
            ahead = (false_through + false_in_front[self.before]) / 2.0
        outranked = np.einsum("pb,pb->b", true_weights, ahead)
        auroc = 1.0 - _divide(outranked, n_true * n_false)

        if (self.last_tie != np.arange(len(self.last_tie))).any():
            true_in_front = true_in_front[self.last_tie]
        called = true_in_front + false_through
        np.maximum(called, SMALLEST, out=called)  # without any weight: 0 / SMALLEST
        precision = np.einsum(
            "pb,pb->b", true_weights, np.divide(true_in_front, called, out=called)
        )
        return np.clip(auroc, 0.0, 1.0), np.clip(_divide(precision, n_true), 0.0, 1.0)


def sort_images(score: Values, truth: NDArray[np.bool_]) -> SortedImages:
    """Sort images (n,) by their score, positive ones and others apart."""
    falling = np.argsort(-score, kind="stable")
    positives, negatives = falling[truth[falling]], falling[~truth[falling]]
    of_positives, of_negatives = -score[positives], -score[negatives]  # both rise
    return SortedImages(
        positives=positives,
        negatives=negatives,
        through=np.searchsorted(of_negatives, of_positives, side="right"),
        before=np.searchsorted(of_negatives, of_positives, side="left"),
        last_tie=np.searchsorted(of_positives, of_positives, side="right") - 1,
    )


def _add_up(rows: Values) -> None:
    """Replace each row by the sum of the rows up to it."""
    if rows.shape[1] < FEW_WEIGHTINGS:
        np.cumsum(rows, axis=0, out=rows)
        return
    for i in range(1, len(rows)):
        rows[i] += rows[i - 1]


def _divide(top: Values, bottom: Values) -> Values:
    """Divide; NaN where the denominator is 0."""
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
