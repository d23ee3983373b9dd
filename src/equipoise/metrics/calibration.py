"""Are probabilities of the positive class what they say? Bins, the reliability curve, ECE, and temperature scaling.

Bins (methods 7.1: 15): of equal width, bin i of 0..14 holds probabilities in (i/15, (i+1)/15], the first one 0 too.
All of it is about the probability of the positive class, because that is the risk which somebody acts on. Guo et
al. (2017, arXiv 1706.04599) bin the probability of the predicted class instead, which for a rare class is nearly
always that of the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, ndtri, softmax

from equipoise.arrays import Labels, Scores
from equipoise.metrics.base import Predictions, Values, check_scores
from equipoise.metrics.statistics import CONFIDENCE
from equipoise.validation import check_labels

N_BINS = 15
EDGES = np.linspace(0.0, 1.0, N_BINS + 1)
TEMPERATURES = (0.05, 20.0)  # what a fit may answer: without an error the best temperature is 0
SMALLEST = float(
    np.finfo(np.float32).tiny
)  # a softmax in float32 rounds less to 0, whose log is infinite


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """What was predicted and what was seen, in each of `N_BINS` bins; NaN where a bin is empty.

    Attributes:
        n: (bins,) images, or the sum of their weights.
        predicted: (bins,) mean predicted probability.
        observed: (bins,) share of the positive class.
        low: (bins,) lower end of the 95 % interval of that share (Wilson); images count as independent.
        high: (bins,) upper end.
    """

    n: Values
    predicted: Values
    observed: Values
    low: Values
    high: Values


def ece(p: Predictions) -> Values:
    """(b,) expected calibration error: mean distance of predicted and observed over the bins, by their images.

    Chance alone makes it positive: a well calibrated classifier shows more of it on fewer images.
    """
    truth, predicted = _positive(p)
    gaps = p.weighting @ (_in_bins(predicted) * (truth - predicted)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / p.weighting.sum(axis=1))


def reliability(p: Predictions) -> Reliability:
    """Give the reliability curve under the first weighting."""
    truth, predicted = _positive(p)
    weights = p.weighting[0, :, None] * _in_bins(predicted)
    n = weights.sum(axis=0)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        expected, observed = predicted @ weights / n, truth @ weights / n
    low, high = wilson(observed, n)
    return Reliability(n=n, predicted=expected, observed=observed, low=low, high=high)


def wilson(share: Values, n: Values) -> tuple[Values, Values]:
    """Give the 95 % interval of a share of n (Wilson 1927, without continuity correction); NaN where n is 0."""
    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        center = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.clip(center - half, 0, 1), np.clip(center + half, 0, 1)


def fit_temperature(*, y_true: Labels, y_score: Scores) -> float:
    """Find the temperature with the least log loss, between 0.05 and 20 (Guo et al. 2017); fit it on validation.

    Stored are probabilities, not logits; their logarithms are logits up to a constant per image, which a softmax
    does not see, so nothing is lost. Above 1 the classifier was too sure, below 1 not sure enough.

    Args:
        y_true: (n,) codes 0..k-1.
        y_score: (n, k) probabilities, rows sum to 1.

    Raises:
        DataError: Arrays of another shape or range.
    """
    n, _ = check_scores(y_score)
    rows, labels = np.arange(n), check_labels(y_true, n, name="y_true")
    logits = np.log(np.maximum(y_score, SMALLEST))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    found = minimize_scalar(
        loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-8}
    )
    return float(np.exp(found.x))


def scale_temperature(y_score: Scores, temperature: float) -> Scores:
    """Give softmax(log p / T), (n, k): the order of an image's classes stays, distances shrink for T > 1."""
    return np.asarray(softmax(np.log(np.maximum(y_score, SMALLEST)) / temperature, axis=1))


def _positive(p: Predictions) -> tuple[Values, Values]:
    """Give truth (0 or 1) and probability of the positive class, (n,) each."""
    return (p.y_true == p.positive).astype(np.float64), np.asarray(
        p.y_score[:, p.positive], dtype=np.float64
    )


def _in_bins(probability: Values) -> NDArray[np.float64]:
    """(n, bins) 1 where the image lies in the bin."""
    return np.eye(N_BINS)[np.searchsorted(EDGES[1:-1], probability, side="left")]
