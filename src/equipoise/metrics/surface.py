"""How far apart two surfaces are, in millimeters: Hausdorff-95 and the normalized surface distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from equipoise.metrics.base import Values

Mask = NDArray[np.bool_]

PERCENTILE = 95
TOLERANCE_MM = 1.0
ROUNDING = 1e-9  # 10 voxels of 0.1 mm may come out as 1.0000000000000002 mm


@dataclass(frozen=True, kw_only=True)
class SurfaceDistances:
    """Distances between the surfaces of two masks; a surface without a partner is infinitely far from it.

    Attributes:
        from_truth: (m,) mm from each boundary voxel of the truth to the nearest one of the prediction.
        from_prediction: (n,) mm from each boundary voxel of the prediction to the nearest one of the truth.
    """

    from_truth: Values
    from_prediction: Values

    @property
    def hd95_mm(self) -> float:
        """The larger of the two directed 95th percentiles (linear between ranks), in mm.

        0 where both masks are empty. NaN where one is: there is no distance to a surface that is not there, and the
        image's diagonal or 374 mm, which BraTS puts in its place, would make the mean a matter of the image's size.
        Who averages must count the patients left out, or a method that draws nothing looks better than it is.

        Source: Menze et al. 2015, the 95 % quantile; as in MONAI. MedPy differs: it pools both directions first.
        """
        directed = (self.from_truth, self.from_prediction)
        if not any(map(len, directed)):
            return 0.0
        if not all(map(len, directed)):
            return float("nan")
        return float(max(np.percentile(distances, PERCENTILE) for distances in directed))

    def nsd(self, *, tolerance_mm: float = TOLERANCE_MM) -> float:
        """Give the share of both surfaces that lies within `tolerance_mm` of the other one.

        1 where both masks are empty, 0 where one is.

        Source: Nikolov et al. 2021, who weigh by area; boundary voxels count alike here, as in MONAI.
        """
        distances = np.concatenate([self.from_truth, self.from_prediction])
        return float((distances <= tolerance_mm * (1 + ROUNDING)).mean()) if len(distances) else 1.0


def surface_distances(
    *, truth: Mask, prediction: Mask, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Measure from each surface to the other.

    A voxel of a mask is on its surface if one of its neighbors across a face (6 in a volume) is outside the mask or
    the image. Distances are between centers of voxels.

    Args:
        truth: Mask of any number of axes.
        prediction: Mask of the same shape.
        spacing_mm: Distance of neighboring voxels along each axis.
    """
    of_truth, of_prediction = (surface_points(mask, spacing_mm) for mask in (truth, prediction))
    return SurfaceDistances(
        from_truth=_nearest(of_truth, of_prediction),
        from_prediction=_nearest(of_prediction, of_truth),
    )


def surface_points(mask: Mask, spacing_mm: Sequence[float]) -> Values:
    """(m, axes) places of a mask's surface voxels in mm."""
    box = bounding_box(mask)
    inside = mask[box]
    corner = [side.start for side in box]
    places = np.argwhere(inside & ~binary_erosion(inside)) + corner
    return np.asarray(places * np.asarray(spacing_mm, dtype=np.float64))


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Give the smallest box that holds a mask; of no extent where the mask is empty."""
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(
            mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis))
        )
        box.append(slice(hit[0], hit[-1] + 1) if len(hit) else slice(0, 0))
    return tuple(box)


def _nearest(points: Values, others: Values) -> Values:
    """(m,) distance of each point to the nearest of the others; a tree, as surfaces are few of a box's voxels."""
    if not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(KDTree(others).query(points)[0])
