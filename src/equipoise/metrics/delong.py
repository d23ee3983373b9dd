"""DeLong's test of two correlated AUROCs: the textbook's answer to "does this classifier rank better?".

Assumptions: images are independent of one another. Several images of a patient are not; the test then believes in
more evidence than there is, and its p values are too small. The classifiers are taken as they are: the test speaks
of these two sets of scores on other images, not of other trainings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.arrays import Labels
from equipoise.exceptions import DataError
from equipoise.metrics.base import Predictions

Values = NDArray[np.float64]

FEWEST = 2  # images of a side: one has no variance


@dataclass(frozen=True, kw_only=True)
class AreaTest:
    """Two AUROCs of the same images.

    Attributes:
        first: AUROC of the first classifier.
        second: AUROC of the second.
        error: Standard error of first minus second.
        p: Two-sided p value of no difference; 1 where the areas are equal and do not vary, NaN where they differ
            and do not vary (one separates the classes perfectly), for which there is no test.
    """

    first: float
    second: float
    error: float
    p: float

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


def compare_areas(first: Predictions, second: Predictions) -> AreaTest:
    """Test whether two classifiers differ in AUROC on the same images (DeLong et al. 1988, Biometrics 44:837).

    The area is that of `METRICS["auroc"]`: the positive class of two, else the mean one-vs-rest area of all
    classes. For two classes this is DeLong's test as published. For more, the influence of an image on the mean
    area is the mean of its influences, whose variance is taken within each class [own extension, equal for two].

    Raises:
        DataError: The truths differ, or a class has fewer than 2 images.
    """
    if not np.array_equal(first.y_true, second.y_true):
        raise DataError(
            "Expected two sets of scores of the same images, got different truths. Sort both by image."
        )
    (one, ours), (other, theirs) = (mean_area(p) for p in (first, second))
    error = float(np.sqrt(variance_of(ours - theirs, first.y_true)))
    return AreaTest(first=one, second=other, error=error, p=_p_value(one - other, error))


def mean_area(predictions: Predictions) -> tuple[float, Values]:
    """Give the AUROC of `METRICS["auroc"]` and (n,) the influence of each image on it."""
    p = predictions
    columns = [p.positive] if p.n_classes == 2 else range(p.n_classes)
    parts = [influences(p.y_score[:, c], p.y_true == c) for c in columns]
    return float(np.mean([area for area, _ in parts])), np.mean([each for _, each in parts], axis=0)


def influences(score: Values, truth: NDArray[np.bool_]) -> tuple[float, Values]:
    """Give the AUROC of a score and how much each image moves it, by midranks (Sun and Xu 2014, IEEE SPL 21:1389).

    An image's placement is the share of the other side that it is ranked right against, ties half; the area is
    their mean, and an influence is the placement minus the area, over the number of images of its side.

    Args:
        score: (n,) higher means more likely true; ties allowed.
        truth: (n,) True where the class is present.

    Returns:
        The area in 0..1 and (n,) influences, which sum to 0 on either side.

    Raises:
        DataError: Fewer than 2 images of a side.
    """
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if min(n_true, n_false) < FEWEST:
        raise DataError(
            f"Expected at least {FEWEST} images with and without the class, got {n_true} and {n_false}. "
            "DeLong's test needs a variance on either side."
        )
    everyone = stats.rankdata(score)
    placements = np.empty(len(score))
    placements[truth] = (everyone[truth] - stats.rankdata(score[truth])) / n_false
    placements[~truth] = 1 - (everyone[~truth] - stats.rankdata(score[~truth])) / n_true
    area = float(placements[truth].mean())
    return area, (placements - area) / np.where(truth, n_true, n_false)


def variance_of(influence: Values, y_true: Labels) -> float:
    """Give the variance of a sum of (n,) influences whose images were drawn class by class."""
    total = 0.0
    for label in np.unique(y_true):
        own = influence[y_true == label]
        total += float(own.var(ddof=1)) * len(own)
    return total


def _p_value(difference: float, error: float) -> float:
    if error < 1e-12:  # rounding: no image moves the difference
        return 1.0 if abs(difference) < 1e-12 else float("nan")
    return float(2 * stats.norm.sf(abs(difference) / error))
