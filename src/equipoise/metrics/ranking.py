"""Areas under the ROC and precision-recall curves, under many weightings at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

SMALLEST = np.finfo(np.float64).tiny
FEW_WEIGHTINGS = 256  # below, a cumulative sum is faster than a sum of rows
CACHED = 2**14  # numbers that are added up in the processor's cache


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
        stretches: (s, n) adds up the negatives of each stretch between positives, in order; the
            first one is empty.
        through: (p,) last stretch with the score of each positive or a higher one.
        before: (p,) last stretch with a higher score.
        last_tie: (p,) place of the last positive with the same score.
    """

    positives: Rows
    stretches: csc_matrix
    through: Rows
    before: Rows
    last_tie: Rows

    def areas(self, by_image: Values) -> tuple[Values, Values]:
        """Compute (b,) AUROC and (b,) average precision; `by_image` (n, b) are weights."""
        true_weights = _rows_of(by_image, self.positives)  # (p, b)
        false_in_front = self.stretches @ by_image  # (s, b)
        _add_up(false_in_front)
        true_in_front = true_weights.copy()
        _add_up(true_in_front)
        n_true, n_false = true_weights.sum(axis=0), false_in_front[-1]

        ahead = false_through = _rows_of(false_in_front, self.through)  # (p, b)
        if (self.through != self.before).any():  # a tie counts half
            ahead = (false_through + _rows_of(false_in_front, self.before)) / 2.0
        outranked = np.einsum("pb,pb->b", true_weights, ahead)
        auroc = 1.0 - _divide(outranked, n_true * n_false)

        if (self.last_tie != np.arange(len(self.last_tie))).any():
            true_in_front = _rows_of(true_in_front, self.last_tie)
        called = np.add(true_in_front, false_through, out=false_through)
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
    n_through = np.searchsorted(of_negatives, of_positives, side="right")  # (p,) negatives
    n_before = np.searchsorted(of_negatives, of_positives, side="left")
    # A stretch ends where negatives in front of a positive are counted, the last one at the end.
    ends = np.unique(np.concatenate([[0], n_before, n_through, [len(negatives)]]))
    stretch = np.full(len(score), -1)
    stretch[negatives] = np.searchsorted(ends, np.arange(len(negatives)), side="right")
    return SortedImages(
        positives=positives,
        stretches=membership(stretch, n_kinds=len(ends)),
        through=np.searchsorted(ends, n_through),
        before=np.searchsorted(ends, n_before),
        last_tie=np.searchsorted(of_positives, of_positives, side="right") - 1,
    )


def membership(*kinds: NDArray[np.integer], n_kinds: int) -> csc_matrix:
    """Build the matrix (n_kinds, n) whose product with weights (n, b) adds them up by kind.

    A column has few ones, so that this takes a fraction of the time of a dense product.

    Args:
        kinds: (n,) kind of each image, or several of different kinds; -1 for none.
        n_kinds: Number of kinds.

    Example:
        >>> import numpy as np
        >>> matrix = membership(np.array([0, 2, 0]), np.array([1, -1, -1]), n_kinds=3)
        >>> matrix.toarray().tolist()
        [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    of_images = np.stack(kinds, axis=1).astype(np.int32)  # (n, number of arguments)
    has_kind = of_images >= 0
    starts = np.zeros(len(of_images) + 1, dtype=np.int32)
    np.cumsum(has_kind.sum(axis=1), out=starts[1:])
    ones = np.ones(starts[-1])
    return csc_matrix((ones, of_images[has_kind], starts), shape=(n_kinds, len(of_images)))


def _rows_of(array: Values, rows: Rows) -> Values:
    """Return rows of an array (m, b), in half the time of `array[rows]`."""
    return np.take(array, rows, axis=0, mode="clip")


def _add_up(rows: Values) -> None:
    """Replace each row by the sum of the rows up to it."""
    n_columns = rows.shape[1]
    if n_columns >= FEW_WEIGHTINGS:
        for i in range(1, len(rows)):
            rows[i] += rows[i - 1]
        return
    # Complex numbers are two sums at once: one has to wait for the last one before it goes on.
    numbers = rows if n_columns % 2 else rows.view(np.complex128)
    n_together = max(2, CACHED // n_columns)
    for start in range(0, len(numbers), n_together):
        part = numbers[start : start + n_together]
        if start:
            part[0] += numbers[start - 1]
        np.cumsum(part, axis=0, out=part)


def _divide(top: Values, bottom: Values) -> Values:
    """Divide; NaN where the denominator is 0."""
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
