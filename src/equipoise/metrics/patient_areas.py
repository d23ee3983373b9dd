"""Mean AUROC of several runs, and of their differences, with patients as the unit of sampling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Predictions
from equipoise.metrics.delong import FEWEST, influences
from equipoise.metrics.statistics import CONFIDENCE, t_quantile


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedArea:
    """The AUROC of one set of scores, as a term of a sum.

    Attributes:
        predictions: Truth and scores of n images.
        patients: (n,) patient of each image; a code means the same patient in every term.
        weight: Factor of the area in the sum, not 0.
    """

    predictions: Predictions
    patients: NDArray[np.int64]
    weight: float

    def influences_of(self, label: int) -> tuple[float, NDArray[np.float64]]:
        """Return the AUROC of a class and the (n,) influences of the images, computed once."""
        if label not in self._influences:
            truth = self.predictions.y_true == label
            self._influences[label] = influences(self.predictions.y_score[:, label], truth)
        return self._influences[label]

    def weighted(self, weight: float) -> "WeightedArea":
        """Return the same term with another weight."""
        twin = replace(self, weight=weight)
        vars(twin).update(_influences=self._influences)
        return twin

    @cached_property
    def _influences(self) -> dict[int, tuple[float, NDArray[np.float64]]]:
        return {}


@dataclass(frozen=True, kw_only=True)
class AreaSum:
    """A sum of AUROCs, such as a mean over runs or a difference of two means.

    Attributes:
        value: The sum.
        error: Standard error over patients; the trainings are taken as they are.
        fewest: Patients of the class with fewest, in the terms of one sign.
    """

    value: float
    error: float
    fewest: int

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t."""
        return float(max(self.fewest - 1, 1))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, Student's t."""
        half = self.error * t_quantile((1 + CONFIDENCE) / 2, self.freedom)
        return self.value - half, self.value + half


def ranked_classes(parts: Sequence[Predictions]) -> list[int]:
    """Return the classes whose AUROC has a variance in every part; of two the positive one.

    Each needs two images of the class and two of others.

    Example:
        >>> scores = np.full((5, 2), 0.5)
        >>> labels = np.array([0, 0, 0, 1, 1])
        >>> ranked_classes([Predictions(y_true=labels, y_score=scores, positive=1)])
        [1]
    """
    n_classes = parts[0].n_classes
    candidates = [parts[0].positive] if n_classes == 2 else list(range(n_classes))
    classes = []
    for c in candidates:
        counts = [int((part.y_true == c).sum()) for part in parts]
        others = [len(part.y_true) - n for part, n in zip(parts, counts, strict=True)]
        if min(*counts, *others) >= FEWEST:
            classes.append(c)
    return classes


def sum_areas(terms: Sequence[WeightedArea], classes: Sequence[int]) -> AreaSum:
    """Compute a weighted sum of AUROCs, each the mean one-vs-rest area of the same classes.

    The influences of DeLong et al. (1988) of all images of a patient, in all terms, are added up;
    the variance is the sum of their squares. So a patient who is tested in several splits, or by
    several seeds, or who is in one split's validation and another's test images, counts once.

    Args:
        terms: At least one.
        classes: At least one, as `ranked_classes` returns them.

    Source: Obuchowski (1997), Biometrics 53:567, for AUROCs of clustered data. Difference: one
    correction m / (m - 1) for all, with the patients m of the class with fewest.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([0, 1], 50)
        >>> score = 1 / (1 + np.exp(-rng.normal(labels)))
        >>> scores = np.stack([1 - score, score], axis=1)
        >>> predictions = Predictions(y_true=labels, y_score=scores, positive=1)
        >>> area = WeightedArea(predictions=predictions, patients=np.arange(100), weight=1.0)
        >>> mean = sum_areas([area], [1])
        >>> round(mean.value, 2), round(mean.error, 3), mean.fewest
        (0.74, 0.049, 50)
    """
    codes = np.unique(np.concatenate([term.patients for term in terms]))
    influence = np.zeros(len(codes))
    value = 0.0
    for term in terms:
        rows = np.searchsorted(codes, term.patients)
        for c in classes:
            area, of_images = term.influences_of(c)
            share = term.weight / len(classes)
            value += share * area
            np.add.at(influence, rows, share * of_images)
    fewest = min(patient_counts(terms, classes))
    correction = fewest / max(fewest - 1, 1)
    error = float(np.sqrt(correction * np.sum(influence**2)))
    return AreaSum(value=value, error=error, fewest=fewest)


def patient_counts(terms: Sequence[WeightedArea], classes: Sequence[int]) -> list[int]:
    """Count the patients with and without each class, in the terms of either sign."""
    counts = []
    for sign in {np.sign(term.weight) for term in terms}:
        selected = [term for term in terms if np.sign(term.weight) == sign]
        patients = np.concatenate([term.patients for term in selected])
        labels = np.concatenate([term.predictions.y_true for term in selected])
        for c in classes:
            counts.append(len(np.unique(patients[labels == c])))
            counts.append(len(np.unique(patients[labels != c])))
    return counts
