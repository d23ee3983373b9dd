"""Lesions found, made up and missed: connected components instead of voxels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from equipoise.metrics.surface import Mask

LEAST_VOXELS = 10  # 0.01 ml at 1 mm


@dataclass(frozen=True, kw_only=True)
class LesionCounts:
    """Lesions of one patient: `tp` of the truth were found, `fn` missed; `fp` were predicted where none is."""

    tp: int
    fp: int
    fn: int


def count_lesions(
    *, truth: Mask, prediction: Mask, least_voxels: int = LEAST_VOXELS
) -> LesionCounts:
    """Count lesions: components that touch by a face, an edge or a corner (26 neighbors in a volume).

    A lesion of the truth is found if at least one of its voxels is predicted; a predicted one is false if it holds
    no voxel of the truth. Components of fewer than `least_voxels` are not counted on either side, yet an overlap
    with one counts: a speck inside a lesion finds it, and marking a tiny true lesion is no error.

    Source: Kuijf et al. 2019 (WMH challenge), whose precision counts the predicted lesions that hit; here every
    lesion of the truth counts once, so that F1 = 2 tp / (2 tp + fp + fn). It counts lesions of every size; a least
    size is an idea of BraTS 2023, which takes 50 voxels and dilates first.

    Args:
        truth: Mask of any number of axes.
        prediction: Mask of the same shape.
        least_voxels: Size from which a component counts as a lesion, at least 1.
    """
    hit, real = _overlapped(truth, prediction, least_voxels)
    right, called = _overlapped(prediction, truth, least_voxels)
    return LesionCounts(tp=hit, fn=real - hit, fp=called - right)


def _overlapped(mask: Mask, other: Mask, least_voxels: int) -> tuple[int, int]:
    """Count the lesions of a mask that the other one overlaps, and all of them."""
    components: NDArray[np.int32]
    components, n = label(mask, structure=np.ones((3,) * mask.ndim))
    large = np.bincount(components[mask], minlength=n + 1) >= least_voxels
    touched = np.unique(components[mask & other])
    return int(large[touched].sum()), int(large.sum())
