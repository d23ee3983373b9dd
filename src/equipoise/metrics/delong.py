"""DeLong's test of two correlated AUROCs: does one classifier rank better than another?

Images count as independent. Several images of a patient are not; then the p values are too small.
The classifiers are taken as they are: the test is about these two sets of scores on other images,
not about other trainings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from equipoise.arrays import Labels
from equipoise.exceptions import DataError
from equipoise.metrics.base import Predictions
from equipoise.metrics.statistics import n_below

Values = NDArray[np.float64]

FEWEST = 2  # images of a side: a single image has no variance
ROUNDING = 1e-12  # differences and errors below this are rounding


@dataclass(frozen=True, kw_only=True)
class AreaTest:
    """Two AUROCs on the same images, compared.

    Attributes:
        first: AUROC of the first classifier.
        second: AUROC of the second.
        error: Standard error of first minus second.
        p: Two-sided p value of no difference; 1 if the areas are equal and do not vary, NaN if they
            differ and do not vary (one separates the classes perfectly): there is no test then.
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
    """Test whether two classifiers differ in AUROC on the same images.

    The area is that of `METRICS["auroc"]`: the positive class of two, else the mean one-vs-rest
    area of all classes.

    Raises:
        DataError: The truths differ, or a class has fewer than 2 images.

    Source: DeLong et al. (1988), Biometrics 44:837, for two classes. The extension to more is ours:
    the influence of an image on the mean area is the mean of its influences, with the variance
    computed within each class; it is the same test for two.

    Example:
        >>> import numpy as np
        >>> y_true = np.array([0, 0, 0, 1, 1, 1])
        >>> def predictions(score):
        ...     scores = np.stack([1 - score, score], axis=1)
        ...     return Predictions(y_true=y_true, y_score=scores, positive=1)
        >>> sharp = predictions(np.array([0.1, 0.2, 0.6, 0.5, 0.8, 0.9]))
        >>> blunt = predictions(np.array([0.4, 0.6, 0.5, 0.5, 0.4, 0.6]))
        >>> test = compare_areas(sharp, blunt)
        >>> round(test.first, 3), test.second, round(test.p, 2)
        (0.889, 0.5, 0.22)
    """
    if not np.array_equal(first.y_true, second.y_true):
        raise DataError(
            "Expected two sets of scores of the same images, got different truths. "
            "Sort both by image."
        )
    first_area, first_influence = mean_area(first)
    second_area, second_influence = mean_area(second)
    difference = first_area - second_area
    error = float(np.sqrt(variance_of(first_influence - second_influence, first.y_true)))
    if error >= ROUNDING:
        p = float(2 * ndtr(-abs(difference) / error))
    else:  # no image moves the difference
        p = 1.0 if abs(difference) < ROUNDING else float("nan")
    return AreaTest(first=first_area, second=second_area, error=error, p=p)


def mean_area(predictions: Predictions) -> tuple[float, Values]:
    """Compute the AUROC of `METRICS["auroc"]` and the (n,) influence of each image on it."""
    p = predictions
    columns = [p.positive] if p.n_classes == 2 else range(p.n_classes)
    class_areas = []
    class_influences = []  # (n,) of each column
    for c in columns:
        area, influence = influences(p.y_score[:, c], p.y_true == c)
        class_areas.append(area)
        class_influences.append(influence)
    return float(np.mean(class_areas)), np.mean(class_influences, axis=0)


def influences(score: Values, truth: NDArray[np.bool_]) -> tuple[float, Values]:
    """Compute the AUROC of a score and how much each image moves it.

    An image's placement is the share of the other side that it is ranked correctly against, ties
    half; the area is the mean placement, and an influence is the placement minus the area, over the
    number of images of its side.

    Args:
        score: (n,) higher means more likely positive; ties allowed.
        truth: (n,) True where the class is present.

    Returns:
        The area in 0..1 and (n,) influences, which sum to 0 on either side.

    Raises:
        DataError: Fewer than 2 images of a side.

    Source: DeLong et al. (1988), in O(n log n) as Sun and Xu (2014), IEEE Signal Processing Letters
    21:1389.

    Example:
        >>> import numpy as np
        >>> area, influence = influences(np.arange(4.0), np.array([False, True, False, True]))
        >>> area, influence.tolist()
        (0.75, [0.125, -0.125, -0.125, 0.125])
    """
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if min(n_true, n_false) < FEWEST:
        raise DataError(
            f"Expected at least {FEWEST} images with and without the class, got {n_true} and "
            f"{n_false}. DeLong's test needs a variance on either side."
        )
    placements = np.empty(len(score))
    placements[truth] = n_below(score[truth], score[~truth]) / n_false
    placements[~truth] = 1 - n_below(score[~truth], score[truth]) / n_true
    area = float(placements[truth].mean())
    return area, (placements - area) / np.where(truth, n_true, n_false)


def variance_of(influence: Values, y_true: Labels) -> float:
    """Compute the variance of a sum of (n,) influences of images that were drawn class by class."""
    total = 0.0
    for label in np.unique(y_true):
        of_class = influence[y_true == label]
        total += float(of_class.var(ddof=1)) * len(of_class)
    return total
