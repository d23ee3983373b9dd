"""Calibration of the positive class's probability: ECE, reliability curve, temperature scaling.

There are 15 bins of equal width; bin i of 0..14 holds probabilities in (i/15, (i+1)/15], the first
also 0. Everything is about the probability of the positive class, because that is the risk that is
acted on. Guo et al. (2017, arXiv 1706.04599) bin the probability of the predicted class instead,
which for a rare class is nearly always that of the other classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csc_matrix
from scipy.special import ndtri, softmax

from equipoise.arrays import Labels, Scores
from equipoise.metrics.base import Predictions, Values, check_scores
from equipoise.metrics.ranking import membership
from equipoise.metrics.statistics import CONFIDENCE
from equipoise.validation import check_labels

N_BINS = 15
EDGES = np.linspace(0.0, 1.0, N_BINS + 1)
TEMPERATURES = (0.05, 20.0)  # bounds of the fit: if nothing is misclassified, the optimum is 0
# A float32 softmax rounds anything smaller to 0, whose logarithm is infinite.
SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """Predicted probability and observed share in each of `N_BINS` bins; NaN if a bin is empty.

    Attributes:
        n: (bins,) images, or the sum of their weights.
        predicted: (bins,) mean predicted probability.
        observed: (bins,) share of the positive class.
        low: (bins,) lower end of the 95 % interval of that share (Wilson); images count as
            independent.
        high: (bins,) upper end.
    """

    n: Values
    predicted: Values
    observed: Values
    low: Values
    high: Values


def ece(p: Predictions) -> Values:
    """Compute the (b,) expected calibration error of the positive class, in 0..1.

    sum over bins of n_bin / n * |observed - predicted|. Randomness alone makes it positive: a well
    calibrated classifier shows more of it on fewer images.

    Source: Guo et al. (2017), Eq. 3, for the positive class in the place of the predicted one.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[0.8, 0.2], [0.2, 0.8]])
        >>> ece(Predictions(y_true=np.array([0, 1]), y_score=scores, positive=1)).round(6).tolist()
        [0.2]
    """
    gaps = np.abs(p.per_image(_gaps_in_bins) @ p.by_image).sum(axis=0)
    error = np.full(gaps.shape, np.nan)
    # The weight of all images is 0 where a draw leaves every patient out.
    np.divide(gaps, p.total, out=error, where=p.total > 0)
    return error


def reliability(p: Predictions) -> Reliability:
    """Compute the reliability curve under the first weighting.

    Source: Guo et al. (2017), section 2, for the positive class in the place of the predicted one.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[0.8, 0.2], [0.2, 0.8]])
        >>> curve = reliability(Predictions(y_true=np.array([0, 1]), y_score=scores, positive=1))
        >>> curve.observed[curve.n > 0].tolist()
        [0.0, 1.0]
    """
    truth, predicted = _positive(p)
    bins, weights = _bins_of(predicted), p.weighting[0]
    n = np.asarray(np.bincount(bins, weights, minlength=N_BINS), dtype=np.float64)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        expected = np.bincount(bins, weights * predicted, minlength=N_BINS) / n
        observed = np.bincount(bins, weights * truth, minlength=N_BINS) / n
    low, high = wilson(observed, n)
    return Reliability(n=n, predicted=expected, observed=observed, low=low, high=high)


def wilson(share: Values, n: Values) -> tuple[Values, Values]:
    """Compute the 95 % interval of a share of n cases; NaN if n is 0.

    Source: Wilson (1927), without continuity correction.

    Example:
        >>> import numpy as np
        >>> low, high = wilson(np.array([1.0]), np.array([9.0]))
        >>> low.round(3).tolist(), high.tolist()
        ([0.701], [1.0])
    """
    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        center = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.clip(center - half, 0, 1), np.clip(center + half, 0, 1)


def fit_temperature(*, y_true: Labels, y_score: Scores) -> float:
    """Fit the temperature with the least log loss, between 0.05 and 20; use validation images.

    Probabilities are stored, not logits; their logarithms are the logits up to a constant per
    image, which a softmax ignores, so nothing is lost. Above 1 the classifier was overconfident,
    below 1 underconfident.

    Args:
        y_true: (n,) codes 0..k-1.
        y_score: (n, k) probabilities, rows sum to 1.

    Raises:
        DataError: Arrays of another shape or range.

    Source: Guo et al. (2017), section 4.2, by minimizing their negative log likelihood.

    Example:
        >>> import numpy as np
        >>> y_true = np.array([0, 0, 0, 1])
        >>> y_score = np.full((4, 2), [0.9, 0.1])  # says 0.9, observed 0.75
        >>> round(fit_temperature(y_true=y_true, y_score=y_score), 6)
        2.0
    """
    n, _ = check_scores(y_score)
    rows = np.arange(n)
    labels = check_labels(y_true, n, name="y_true")
    logits = np.log(np.maximum(y_score, SMALLEST))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        of_truth = scaled[rows, labels]
        return float((np.log(np.exp(scaled, out=scaled).sum(axis=1)) - of_truth).mean())

    options = {"xatol": 1e-8}
    fit = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options=options)
    return float(np.exp(fit.x))


def scale_temperature(y_score: Scores, temperature: float) -> Scores:
    """Compute softmax(log p / T), (n, k); T > 1 flattens the scores and keeps their order.

    Source: Guo et al. (2017), Eq. 9.

    Example:
        >>> import numpy as np
        >>> scale_temperature(np.array([[0.9, 0.1]]), 2.0).round(3).tolist()
        [[0.75, 0.25]]
    """
    return np.asarray(softmax(np.log(np.maximum(y_score, SMALLEST)) / temperature, axis=1))


def _positive(p: Predictions) -> tuple[Values, Values]:
    """Return truth (0 or 1) and probability of the positive class, (n,) each."""
    truth = (p.y_true == p.positive).astype(np.float64)
    return truth, np.asarray(p.y_score[:, p.positive], dtype=np.float64)


def _gaps_in_bins(p: Predictions) -> csc_matrix:
    """Return truth minus probability of each image in the row of its bin, (bins, n)."""
    truth, predicted = _positive(p)
    gaps = membership(_bins_of(predicted), n_kinds=N_BINS)
    gaps.data = truth - predicted
    return gaps


def _bins_of(probability: Values) -> NDArray[np.intp]:
    """Return the bin (n,) of each probability."""
    return np.searchsorted(EDGES[1:-1], probability, side="left")
