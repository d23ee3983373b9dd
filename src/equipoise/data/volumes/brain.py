"""The brain in a skull-stripped scan: where it is, and its intensities on one scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.geometry import Geometry
from equipoise.exceptions import DataError

Image = NDArray[Any]  # (z, y, x)
Mask = NDArray[np.bool_]

LOWEST_SHARE = (
    0.1  # of the voxels on the faces; a constant background covers far more, noise far less
)
PERCENTILES = (1.0, 99.0)
N4_SHRINK = 4  # the bias field is smooth: it is estimated on every fourth voxel along each axis
N4_SMALLEST = 32  # voxels; shorter axes are not shrunk


def find_background(image: Image) -> float | None:
    """Find the value of the air: the most frequent one on the six faces of the volume.

    It is 0 in raw scans but not in those that were normalized before. None where it covers less than a tenth of the
    faces, as in scans that were not skull-stripped.
    """
    faces = [image.take(end, axis=axis).ravel() for axis in range(image.ndim) for end in (0, -1)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    most = int(counts.argmax())
    return float(values[most]) if counts[most] >= LOWEST_SHARE * counts.sum() else None


def find_brain(images: Sequence[Image]) -> Mask:
    """Mark the voxels (z, y, x) where any modality differs from its background.

    Nothing is filled or removed: in the skull-stripped scans of BraTS 2013 this gives the very mask that comes with
    them. A modality without a constant background marks everything.
    """
    brain = np.zeros(images[0].shape, dtype=bool)
    for image in images:
        background = find_background(image)
        brain |= True if background is None else image != background
    return brain


def normalize(image: Image, brain: Mask) -> NDArray[np.float16]:
    """Clip to the 1st and 99th percentile in the brain, subtract the mean there and divide by the sd; 0 outside.

    Source: methods 6.1.

    Raises:
        DataError: The image is the same everywhere in the brain.
    """
    inside = image[brain].astype(np.float64)
    inside = np.clip(inside, *np.percentile(inside, PERCENTILES))
    if not inside.std() > 0:
        raise DataError(f"it is {inside[0]:g} everywhere in the brain. Is it the right file?")
    normal = np.zeros(image.shape, dtype=np.float16)
    normal[brain] = (inside - inside.mean()) / inside.std()
    return normal


def correct_bias(image: Image, brain: Mask, geometry: Geometry) -> NDArray[np.float32]:
    """Divide by the smooth bias field that N4 estimates inside the brain, in SimpleITK's default settings.

    The field is estimated on a grid of every fourth voxel, as is usual, with one thread so that it is the same on
    every machine. Voxels of 0 have no logarithm and do not take part.

    Raises:
        DataError: The image is negative in places of the brain, so it is not raw.
    """
    import SimpleITK

    if image[brain].min() < 0:
        raise DataError("it is negative in places, and N4 needs raw intensities. Leave n4 out.")
    positive = (brain & (image > 0)).astype(np.uint8)
    whole, mask = (
        SimpleITK.GetImageFromArray(array) for array in (image.astype(np.float32), positive)
    )
    for one in (whole, mask):
        one.SetSpacing(geometry.spacing_mm[::-1])
    factors = [N4_SHRINK if side >= N4_SMALLEST else 1 for side in whole.GetSize()]
    corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
    corrector.SetNumberOfThreads(1)
    corrector.Execute(SimpleITK.Shrink(whole, factors), SimpleITK.Shrink(mask, factors))
    field = SimpleITK.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole))
    corrected: NDArray[np.float32] = (image / np.exp(field)).astype(np.float32)
    return corrected
