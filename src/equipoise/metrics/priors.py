"""Correct probabilities for the class shares that a training pretended, known or fitted to predictions.

Methods 7.5 corrects from the class shares of the training images. But class weights, losses and batch samplers move
the probabilities as a change of these shares would, and leave the counts alone; a network does not follow even its
counts exactly. So the shares "as if trained with" are fitted to the validation predictions here. Corrected
probabilities then have, in every class, the mean that the validation images have, whatever the method did; a
method that only multiplies the odds of the classes ties with the baseline exactly. Scores that are much too sure
(LDAM's large scale) stay so: a temperature is not fitted with the shares.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from equipoise.arrays import Labels, Scores
from equipoise.exceptions import DataError
from equipoise.metrics.base import Values, check_scores
from equipoise.metrics.calibration import SMALLEST
from equipoise.validation import check_labels


def correct_priors(y_score: Scores, *, trained: ArrayLike, target: ArrayLike) -> Scores:
    """Give p'_k proportional to p_k target_k / trained_k, (n, k); rows sum to 1.

    Args:
        y_score: (n, k) probabilities, rows sum to 1.
        trained: (k,) shares of the classes that the probabilities are made for; only their ratios matter.
        target: (k,) shares where they are used.

    Raises:
        DataError: Scores that are no probabilities, or shares that are not k positive numbers.

    Source: methods 7.5 (Saerens et al. 2002).
    """
    _, k = check_scores(y_score)
    odds = _shares(target, k, "target") / _shares(trained, k, "trained")
    moved = y_score * (odds / odds.max())
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def fit_priors(*, y_true: Labels, y_score: Scores) -> Values:
    """Find the class shares, (k,), as if trained with which the scores are: the log loss after correction is least.

    k - 1 numbers are fitted, the odds of the classes; the target are the shares of `y_true`. A logistic regression
    of intercepts alone, therefore convex and with one solution. In it the mean of the corrected
    probabilities is the share of each class.

    Args:
        y_true: (n,) codes 0..k-1 of validation images; each class occurs.
        y_score: (n, k) probabilities, rows sum to 1.

    Raises:
        DataError: Arrays of another shape or range, or a class without an image, whose odds nothing tells.
    """
    n, k = check_scores(y_score)
    shares = np.bincount(check_labels(y_true, n, name="y_true"), minlength=k) / n
    if len(shares) > k or not shares.all():
        raise DataError(
            f"Expected images of each of {k} classes to fit their odds, got shares {shares.round(4)}."
        )
    logs = np.log(np.maximum(y_score, SMALLEST))

    def loss(offsets: Values) -> tuple[float, Values]:
        moved = logs + offsets
        value = -log_softmax(moved, axis=1)[np.arange(n), y_true].mean()
        return float(value), np.asarray(softmax(moved, axis=1).mean(axis=0) - shares)

    def curvature(offsets: Values) -> Values:
        p = softmax(logs + offsets, axis=1)
        return np.asarray(np.diag(p.mean(axis=0)) - p.T @ p / n)

    found = minimize(
        loss, np.zeros(k), jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-12}
    )
    return np.asarray(softmax(np.log(shares) - found.x))


def _shares(values: ArrayLike, k: int, name: str) -> Values:
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (k,) or not (np.isfinite(shares) & (shares > 0)).all():
        raise DataError(
            f"Expected {name} as {k} positive shares, one for each class, got {shares.tolist()}."
        )
    return shares
