"""Distances of two surfaces in millimeters: Hausdorff-95 and the normalized surface distance."""

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
    """Distances between the surfaces of two masks; infinite if the other mask is empty.

    Attributes:
        from_truth: (m,) mm from each boundary voxel of the truth to the nearest of the prediction.
        from_prediction: (n,) mm from each boundary voxel of the prediction to the nearest of the
            truth.
    """

    from_truth: Values
    from_prediction: Values

    @property
    def hd95_mm(self) -> float:
        """The larger of the two directed 95th percentiles (linear between ranks), in mm.

        0 if both masks are empty. NaN if one is: there is no distance to a surface that does not
        exist, and the diagonal of the image or the 374 mm of BraTS in its place would make the mean
        depend on the image size. Report how many patients a mean leaves out, or a method that
        predicts nothing looks better than it is.

        Source: Menze et al. (2015), the 95 % quantile; as in MONAI. MedPy differs: it pools both
        directions first.
        """
        if not len(self.from_truth) and not len(self.from_prediction):
            return 0.0
        if not len(self.from_truth) or not len(self.from_prediction):
            return float("nan")
        directed = (self.from_truth, self.from_prediction)
        return float(max(np.percentile(distances, PERCENTILE) for distances in directed))

    def nsd(self, *, tolerance_mm: float = TOLERANCE_MM) -> float:
        """Compute the share of both surfaces' voxels within `tolerance_mm` of the other surface.

        1 if both masks are empty, 0 if one is.

        Source: Nikolov et al. (2021), who measure the share of the surfaces' *area*. Here boundary
        voxels count equally, whatever area they stand for, and distances are between centers of
        voxels, as in MONAI. The numbers are not comparable with those of DeepMind's
        surface-distance, which weights surface elements by their area: it gives larger ones, 0.09
        more on average at the spacings of MRI of the brain.
        """
        distances = np.concatenate([self.from_truth, self.from_prediction])
        return float((distances <= tolerance_mm * (1 + ROUNDING)).mean()) if len(distances) else 1.0


def surface_distances(
    *, truth: Mask, prediction: Mask, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Measure from each surface to the other.

    A voxel of a mask is on its surface if one of its neighbors across a face (6 in a volume) is
    outside the mask or the image. Distances are between centers of voxels.

    Args:
        truth: Mask of any number of axes.
        prediction: Mask of the same shape.
        spacing_mm: Distance of neighboring voxels along each axis.

    Example:
        >>> import numpy as np
        >>> truth, prediction = np.zeros((2, 9), dtype=bool), np.zeros((2, 9), dtype=bool)
        >>> truth[0, 2:5] = prediction[0, 4:7] = True
        >>> distances = surface_distances(truth=truth, prediction=prediction, spacing_mm=(1, 2))
        >>> distances.from_truth.tolist(), distances.nsd()
        ([4.0, 2.0, 0.0], 0.3333333333333333)
    """
    truth_points = surface_points(truth, spacing_mm)
    prediction_points = surface_points(prediction, spacing_mm)
    return SurfaceDistances(
        from_truth=_nearest(truth_points, prediction_points),
        from_prediction=_nearest(prediction_points, truth_points),
    )


def surface_points(mask: Mask, spacing_mm: Sequence[float]) -> Values:
    """Compute the (m, axes) positions of a mask's surface voxels in mm.

    Example:
        >>> import numpy as np
        >>> len(surface_points(np.ones((3, 3), dtype=bool), (1, 1)))
        8
    """
    box = bounding_box(mask)
    inside = mask[box]
    corner = [side.start for side in box]
    voxels = np.argwhere(inside & ~binary_erosion(inside)) + corner
    return np.asarray(voxels * np.asarray(spacing_mm, dtype=np.float64))


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Find the smallest box around a mask; without extent if the mask is empty.

    Example:
        >>> import numpy as np
        >>> bounding_box(np.array([[0, 0, 0], [0, 1, 1]], dtype=bool))
        (slice(1, 2, None), slice(1, 3, None))
    """
    if not mask.any():
        return (slice(0, 0),) * mask.ndim
    box = []
    for axis in range(mask.ndim):
        other_axes = (*range(axis), *range(axis + 1, mask.ndim))
        hit = np.flatnonzero(mask.any(axis=other_axes))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def _nearest(points: Values, references: Values) -> Values:
    """Compute the (m,) distance of each point to the nearest reference, by a tree."""
    if not len(references):
        return np.full(len(points), np.inf)
    return np.asarray(KDTree(references).query(points)[0])
