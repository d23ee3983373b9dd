"""Areas under the curves of each class against the rest, under many weightings at once.

The intervals imagine a patient for each pair of classes (`equipoise.metrics.intervals`), so that k
classes have k^2 images and more with a probability of 1, all of which count in the curves of each
of the k classes. In the curve of one class they differ in nothing but truth and call, and are four.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix

from equipoise.arrays import Labels, Scores
from equipoise.metrics.ranking import Rows, SortedImages, Values, membership, sort_images

# Images with a probability of 1 up to which each counts by itself: sums would cost more, and round
# otherwise.
MOST_CERTAIN = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedClasses:
    """n images sorted by the score of each of k classes, whatever their weights.

    Attributes:
        uncertain: (u,) images that are sorted one by one.
        groups: (3k, n) adds up the weights of the others, which have a probability of 1 for some
            class: those of each class, called each class, and both; None where there are none.
        classes: The u images sorted by each class. Where there are groups, four more images stand
            for them: called right, missed, called wrongly, and neither of the class nor called it.
    """

    uncertain: Rows
    groups: csc_matrix | None
    classes: tuple[SortedImages, ...]


def rank_classes(y_true: Labels, y_score: Scores) -> RankedClasses:
    """Sort images with classes (n,) by their scores (n, k)."""
    n_classes = y_score.shape[1]
    is_certain = (y_score.max(axis=1) == 1.0) & (np.count_nonzero(y_score, axis=1) == 1)
    groups = None
    uncertain = np.arange(len(y_true))
    if np.count_nonzero(is_certain) > MOST_CERTAIN:
        uncertain = np.flatnonzero(~is_certain)
        called = y_score.argmax(axis=1)
        groups = membership(
            np.where(is_certain, y_true, -1),
            np.where(is_certain, n_classes + called, -1),
            np.where(is_certain & (called == y_true), 2 * n_classes + y_true, -1),
            n_kinds=3 * n_classes,
        )
    classes = []
    for label in range(n_classes):
        score, truth = y_score[uncertain, label], y_true[uncertain] == label
        if groups is not None:
            score = np.concatenate([score, [1.0, 0.0, 1.0, 0.0]])
            truth = np.concatenate([truth, [True, True, False, False]])
        classes.append(sort_images(score, truth))
    return RankedClasses(uncertain=uncertain, groups=groups, classes=tuple(classes))


class ClassAreas:
    """AUROC and average precision of each class against the rest, under b weightings.

    Args:
        images: The images.
        by_image: (n, b) their weights.

    Example:
        >>> images = rank_classes(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [1, 0]]))
        >>> auroc, precision = ClassAreas(images, np.ones((3, 1))).of(1)
        >>> auroc.tolist(), precision.round(3).tolist()
        ([0.5], [0.833])
    """

    def __init__(self, images: RankedClasses, by_image: Values) -> None:
        self._images = images
        self._areas: dict[int, tuple[Values, Values]] = {}
        self._weights = by_image
        self._sums: Values | None = None  # (3, k, b)
        if images.groups is not None:
            sums = images.groups @ by_image
            self._sums = sums.reshape(3, len(images.classes), -1)
            self._weights = np.empty((len(images.uncertain) + 4, by_image.shape[1]))
            self._weights[:-4] = by_image[images.uncertain]

    def of(self, label: int) -> tuple[Values, Values]:
        """Compute (b,) AUROC and (b,) average precision of a class; NaN where it is absent."""
        if label not in self._areas:
            if self._sums is not None:
                of_class, called, hits = self._sums[:, label]
                missed, wrong = of_class - hits, called - hits
                rest = self._sums[0].sum(axis=0) - of_class - wrong
                groups = np.stack([hits, missed, wrong, rest])
                np.maximum(groups, 0.0, out=self._weights[-4:])  # differences may round below 0
            self._areas[label] = self._images.classes[label].areas(self._weights)
        return self._areas[label]
