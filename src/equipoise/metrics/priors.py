"""Correct probabilities for the class shares they imply: known shares, or fitted to predictions.

The usual correction starts from the class shares of the training images. But class weights, losses
and batch samplers move the probabilities just as a change of these shares would, and leave the
counts alone; nor does a network follow its counts exactly. So the implied shares are fitted to the
validation predictions here. In every class, corrected probabilities then have the mean of the
validation images, whatever the method did; a method that only multiplies the odds of the classes
ties with the baseline exactly. Overconfident scores (LDAM's large scale) stay overconfident: no
temperature is fitted along with the shares.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import softmax

from equipoise.arrays import Labels, Scores
from equipoise.exceptions import DataError
from equipoise.metrics.base import Values, check_scores
from equipoise.metrics.calibration import SMALLEST
from equipoise.validation import check_labels


def correct_priors(y_score: Scores, *, trained: ArrayLike, target: ArrayLike) -> Scores:
    """Compute p'_k proportional to p_k target_k / trained_k, (n, k); rows sum to 1.

    Args:
        y_score: (n, k) probabilities, rows sum to 1.
        trained: (k,) class shares that the probabilities imply; only their ratios matter.
        target: (k,) class shares where they are used.

    Raises:
        DataError: The scores are not probabilities, or the shares are not k positive numbers.

    Source: Saerens et al. (2002), Neural Computation 14:21, Eq. 2.4.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[0.3, 0.7]])
        >>> correct_priors(scores, trained=[0.5, 0.5], target=[0.9, 0.1]).round(3).tolist()
        [[0.794, 0.206]]
    """
    _, k = check_scores(y_score)
    odds = _shares(target, k, "target") / _shares(trained, k, "trained")
    moved = y_score * (odds / odds.max())
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def fit_priors(*, y_true: Labels, y_score: Scores) -> Values:
    """Fit the (k,) class shares that the scores imply: correcting by them minimizes the log loss.

    k - 1 numbers are fitted, the odds of the classes; the target is the shares of `y_true`. This is
    a logistic regression with intercepts alone: convex, with a unique solution, at which the mean
    of the corrected probabilities is the share of each class.

    Args:
        y_true: (n,) codes 0..k-1 of validation images; each class occurs.
        y_score: (n, k) probabilities, rows sum to 1.

    Raises:
        DataError: Arrays of another shape or range, or a class without an image.

    Source: ours; the correction that it inverts is that of Saerens et al. (2002), Eq. 2.4.

    Example:
        >>> import numpy as np
        >>> y_true = np.array([0, 0, 0, 1])
        >>> y_score = np.full((4, 2), 0.5)  # says 0.5, observed 0.25: as if trained on equal shares
        >>> fit_priors(y_true=y_true, y_score=y_score).round(6).tolist()
        [0.5, 0.5]
    """
    n, k = check_scores(y_score)
    shares = np.bincount(check_labels(y_true, n, name="y_true"), minlength=k) / n
    if len(shares) > k or not shares.all():
        raise DataError(
            f"Expected images of each of {k} classes to fit their odds, "
            f"got shares {shares.round(4)}."
        )
    logs = np.log(np.maximum(y_score, SMALLEST))

    rows = np.arange(n)

    def moved(offsets: Values) -> tuple[Values, Values]:
        """Return losses (n,) and probabilities (n, k)."""
        logits = logs + offsets
        logits -= logits.max(axis=1, keepdims=True)
        of_truth = logits[rows, y_true]
        odds = np.exp(logits, out=logits)
        total = odds.sum(axis=1)
        return np.log(total) - of_truth, odds / total[:, None]

    def loss(offsets: Values) -> tuple[float, Values]:
        losses, p = moved(offsets)
        return float(losses.mean()), np.asarray(p.mean(axis=0) - shares)

    def curvature(offsets: Values) -> Values:
        _, p = moved(offsets)
        return np.asarray(np.diag(p.mean(axis=0)) - p.T @ p / n)

    options = {"gtol": 1e-12}
    fit = minimize(
        loss, np.zeros(k), jac=True, hess=curvature, method="trust-exact", options=options
    )
    return np.asarray(softmax(np.log(shares) - fit.x))


def _shares(values: ArrayLike, k: int, name: str) -> Values:
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (k,) or not (np.isfinite(shares) & (shares > 0)).all():
        raise DataError(
            f"Expected {name} as {k} positive shares, one for each class, got {shares.tolist()}."
        )
    return shares
