"""Areas under the ROC and precision-recall curves under many weightings at once."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def areas(score: Values, truth: NDArray[np.bool_], weights: Values) -> tuple[Values, Values]:
    """Give AUROC and average precision of a score, for each row of weights.

    Equal to scikit-learn's `roc_auc_score` and `average_precision_score` with `sample_weight` (ties share one
    threshold); sorts once and accumulates all weightings together.

    Args:
        score: (n,) higher means more likely true.
        truth: (n,) True where the class is present.
        weights: (b, n) >= 0.

    Returns:
        (b,) AUROC and (b,) average precision; AUROC is NaN where either side has no weight, average precision
        where the true side has none.
    """
    order = np.argsort(-score, kind="stable")
    falling, rows = -score[order], np.flatnonzero(truth[order])
    sorted_weights = weights[:, order]
    everyone, hits = _accumulate(sorted_weights), _accumulate(sorted_weights[:, rows])
    before = np.searchsorted(falling, falling[rows], side="left")
    through = np.searchsorted(falling, falling[rows], side="right")
    hits_before, hits_through = (hits[:, np.searchsorted(rows, edge)] for edge in (before, through))
    misses = everyone[:, before] - hits_before + everyone[:, through] - hits_through
    n_true, n_false = (
        hits[:, -1],
        weights @ ~truth,
    )  # summed apart: a difference would hide an exact 0
    share = _divide(sorted_weights[:, rows], n_true[:, None])  # of the true ones, at each true one
    auroc = 1.0 - _divide((share * misses).sum(axis=1), 2.0 * n_false)
    precision = (share * _divide(hits_through, everyone[:, through], empty=0.0)).sum(axis=1)
    auroc[n_true <= 0] = precision[n_true <= 0] = np.nan
    return np.clip(auroc, 0.0, 1.0), np.clip(precision, 0.0, 1.0)


def _accumulate(weights: Values) -> Values:
    """Give the weight in front of each position, (b, m + 1)."""
    total = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


def _divide(top: Values, bottom: Values, *, empty: float = np.nan) -> Values:
    result = np.full(np.broadcast_shapes(top.shape, bottom.shape), empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
