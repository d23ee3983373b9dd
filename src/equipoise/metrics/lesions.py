"""Lesions detected, missed and falsely predicted: connected components instead of voxels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from equipoise.metrics.surface import Mask

LEAST_VOXELS = 10  # 0.01 ml at 1 mm


@dataclass(frozen=True, kw_only=True)
class LesionCounts:
    """Lesions of one patient.

    Attributes:
        tp: True lesions that were detected.
        fp: Predicted lesions where there is none.
        fn: True lesions that were missed.
    """

    tp: int
    fp: int
    fn: int


def count_lesions(
    *, truth: Mask, prediction: Mask, least_voxels: int = LEAST_VOXELS
) -> LesionCounts:
    """Count lesions: components connected by a face, an edge or a corner (26 neighbors in 3-D).

    A true lesion is detected if at least one of its voxels is predicted; a predicted one is false
    if it contains no true voxel. Components of fewer than `least_voxels` are not counted on either
    side, but an overlap with one counts: a speck inside a lesion detects it, and marking a tiny
    true lesion is not an error.

    Args:
        truth: Mask of any number of axes.
        prediction: Mask of the same shape.
        least_voxels: Size from which a component counts as a lesion, at least 1.

    Source: Kuijf et al. (2019), the WMH challenge, whose precision counts the predicted lesions
    that hit; here every true lesion counts once, so that F1 = 2 tp / (2 tp + fp + fn). They count
    lesions of every size; the least size is an idea of BraTS 2023, which takes 50 voxels and
    dilates first.

    Example:
        >>> import numpy as np
        >>> truth = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
        >>> prediction = np.array([0, 1, 0, 0, 0, 0, 0, 1], dtype=bool)
        >>> count_lesions(truth=truth, prediction=prediction, least_voxels=1)
        LesionCounts(tp=1, fp=1, fn=1)
    """
    hit, real = _overlapped(truth, prediction, least_voxels)
    right, called = _overlapped(prediction, truth, least_voxels)
    return LesionCounts(tp=hit, fn=real - hit, fp=called - right)


def _overlapped(mask: Mask, other: Mask, least_voxels: int) -> tuple[int, int]:
    """Count the lesions of a mask that the other one overlaps, and all lesions of the mask."""
    components: NDArray[np.int32]
    components, n = label(mask, structure=np.ones((3,) * mask.ndim))
    large = np.bincount(components[mask], minlength=n + 1) >= least_voxels
    touched = np.unique(components[mask & other])
    return int(large[touched].sum()), int(large.sum())
