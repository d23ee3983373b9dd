"""Classifiers that cost nothing to train: the nearest of two class means, with noise as of seeds.

The simulations of the classification test and of the champion share them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from equipoise.metrics.base import Values

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

TRAIN, VALIDATION, TEST = 0, 1, 2
DISTANCE = 0.5 * 6**0.5  # of the class means in feature space, whatever the number of features


def draw_parts(
    rng: np.random.Generator,
    kind: str,
    n_splits: int,
    y: Codes,
    *,
    test: float = 0.25,
    validation: float = 0.0,
) -> Codes:
    """Assign every image to a part of every split, by class.

    Args:
        rng: Random draws.
        kind: "hold-out" (drawn independently, test parts overlap) or "k-fold".
        n_splits: Number of splits.
        y: (n,) classes 0 and 1.
        test: Share of the test part of a hold-out.
        validation: Share of the validation part.

    Returns:
        (splits, n) `TRAIN`, `VALIDATION` or `TEST`.
    """
    parts = np.full((n_splits, len(y)), TRAIN, dtype=np.int64)
    for c in (0, 1):
        images = np.flatnonzero(y == c)
        n_validation = round(validation * len(images))
        folds = rng.permutation(len(images)) % n_splits
        for i in range(n_splits):
            if kind == "k-fold":
                tested, rest = images[folds == i], rng.permutation(images[folds != i])
            else:
                tested, rest = np.split(rng.permutation(images), [round(test * len(images))])
            parts[i, tested] = TEST
            parts[i, rest[:n_validation]] = VALIDATION
    return parts


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """Linear classifiers of several arms: class 1 where direction . x > threshold.

    Attributes:
        directions: (arms, width).
        thresholds: (arms,).
    """

    directions: Values
    thresholds: Values

    def right(self, X: Values, y: Codes) -> Mask:
        """Return (arms, n) whether each image of X (arms, n, width) is classified correctly."""
        scores = np.einsum("anw,aw->an", X, self.directions)
        return np.asarray((scores > self.thresholds[:, None]) == (y == 1))

    def true_accuracy(self, means: Values) -> Values:
        """Return (arms,) balanced accuracies on all images that could be drawn.

        Args:
            means: (arms, width) of class 1; class 0 is at the origin, both with unit variance.
        """
        length = np.linalg.norm(self.directions, axis=1)
        center = (self.directions * means).sum(axis=1)
        specificity = ndtr(self.thresholds / length)
        return np.asarray((specificity + ndtr((center - self.thresholds) / length)) / 2)


def train(
    rng: np.random.Generator, X: Values, y: Codes, rows: Mask, *, noise: float = 0.3
) -> Trained:
    """Train every arm on the same images.

    Args:
        rng: The luck of this training.
        X: (arms, n, width) features, of each arm its own.
        y: (n,) classes.
        rows: (n,) images to train on.
        noise: Length of the random part of a direction as a share of the rest.
    """
    low, high = (X[:, rows & (y == c)].mean(axis=1) for c in (0, 1))
    directions = high - low
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    luck = rng.normal(size=directions.shape) / np.sqrt(X.shape[2])
    directions = directions + noise * length * luck
    thresholds = (directions * (low + high) / 2).sum(axis=1)
    return Trained(
        directions=directions, thresholds=thresholds + 0.1 * rng.normal(size=len(thresholds))
    )


def balanced_accuracies(right: Mask | Values, y: Codes, weights: Values) -> Values:
    """Compute (arms, b) balanced accuracies; NaN where a class has no weight.

    Args:
        right: (arms, n) whether an image is classified correctly.
        y: (n,) classes.
        weights: (b, n) how often each image counts.
    """
    recalls = []
    for c in (0, 1):
        of_class = weights[:, y == c]
        total = of_class.sum(axis=1)
        hits = right[:, y == c] @ of_class.T
        recalls.append(np.where(total > 0, hits / np.maximum(total, 1e-300), np.nan))
    return np.asarray((recalls[0] + recalls[1]) / 2)
