"""Areas under the ROC and precision-recall curves, under many weightings at once."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MOST_PAIRS = 2**16  # of a positive and any image that are compared; sorting is faster above


def areas(score: Values, truth: NDArray[np.bool_], weights: Values) -> tuple[Values, Values]:
    """Compute AUROC and average precision of a score, for each row of weights.

    Equal to scikit-learn's `roc_auc_score` and `average_precision_score` with `sample_weight`
    (ties share one threshold), but treats all weightings together: by matrix products with the
    comparisons of all pairs where there are few, else along the sorted images.

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
    n_pairs = int(np.count_nonzero(truth)) * len(truth)
    rule = _by_pairs if n_pairs <= MOST_PAIRS else _by_sorting
    auroc, precision = rule(score, truth, weights)
    return np.clip(auroc, 0.0, 1.0), np.clip(precision, 0.0, 1.0)


def _by_pairs(score: Values, truth: NDArray[np.bool_], weights: Values) -> tuple[Values, Values]:
    """Compute both areas from comparisons of each positive with every image."""
    positives, negatives = score[truth], score[~truth]
    true_weights, false_weights = weights[:, truth], weights[:, ~truth]  # (b, p), (b, n - p)
    false_through = false_weights @ (negatives[:, None] >= positives).astype(np.float64)
    true_through = true_weights @ (positives[:, None] >= positives).astype(np.float64)
    false_ahead = 2.0 * false_through  # a tie counts half
    ties = negatives[:, None] == positives
    if ties.any():
        false_ahead -= false_weights @ ties.astype(np.float64)
    n_true, n_false = true_weights.sum(axis=1), false_weights.sum(axis=1)
    outranked = np.einsum("bp,bp->b", true_weights, false_ahead)
    auroc = 1.0 - _divide(outranked, 2.0 * n_true * n_false)
    precision_here = _divide(true_through, true_through + false_through, empty=0.0)
    precision = _divide(np.einsum("bp,bp->b", true_weights, precision_here), n_true)
    return auroc, precision


def _by_sorting(score: Values, truth: NDArray[np.bool_], weights: Values) -> tuple[Values, Values]:
    """Compute both areas from sums of weights along the sorted images."""
    order = np.argsort(-score, kind="stable")
    falling = -score[order]
    rows = np.flatnonzero(truth[order])  # (p,) positions of the positives, best score first
    sorted_weights = weights[:, order]
    true_weights = sorted_weights[:, rows]
    all_weight = _weight_in_front(sorted_weights)  # (b, n + 1)
    true_weight = _weight_in_front(true_weights)  # (b, p + 1)

    before = np.searchsorted(falling, falling[rows], side="left")  # first of each tie
    through = np.searchsorted(falling, falling[rows], side="right")  # behind the last of each tie
    true_before = true_weight[:, np.searchsorted(rows, before)]
    true_through = true_weight[:, np.searchsorted(rows, through)]
    false_ahead = all_weight[:, before] - true_before + all_weight[:, through] - true_through

    n_true = true_weight[:, -1]
    n_false = weights @ ~truth  # summed separately: total minus n_true would hide an exact 0
    share = _divide(true_weights, n_true[:, None])  # of the positive weight, at each positive
    auroc = 1.0 - _divide((share * false_ahead).sum(axis=1), 2.0 * n_false)
    precision_here = _divide(true_through, all_weight[:, through], empty=0.0)
    precision = (share * precision_here).sum(axis=1)
    auroc[n_true <= 0] = np.nan
    precision[n_true <= 0] = np.nan
    return auroc, precision


def _weight_in_front(weights: Values) -> Values:
    """Sum the weights before each position, (b, m + 1)."""
    total = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


def _divide(top: Values, bottom: Values, *, empty: float = np.nan) -> Values:
    result = np.full(np.broadcast_shapes(top.shape, bottom.shape), empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
