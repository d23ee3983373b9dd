"""Find the brain in a skull-stripped scan, and bring its intensities to one scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.geometry import Geometry
from equipoise.exceptions import DataError
from equipoise.extras import import_itk

Image = NDArray[Any]  # (z, y, x)
Mask = NDArray[np.bool_]

# Share of the voxels on the faces; a constant background covers far more, noise far less.
MIN_BACKGROUND_SHARE = 0.1
PERCENTILES = (1.0, 99.0)
N4_SHRINK = 4  # the bias field is smooth: it is estimated on every fourth voxel along each axis
N4_MIN_SIDE = 32  # voxels; shorter axes are not shrunk


def find_background(image: Image) -> float | None:
    """Return the value of the air: the most frequent one on the six faces of the volume.

    It is 0 in raw scans but not in those that were normalized before. None if it covers less than a
    tenth of the faces, as in scans that were not skull-stripped.

    Example:
        >>> image = np.zeros((4, 6, 6))
        >>> image[1:3, 2:4, 2:4] = 7
        >>> find_background(image)
        0.0
    """
    faces = []
    for axis in range(image.ndim):
        faces.append(image.take(0, axis=axis).ravel())
        faces.append(image.take(-1, axis=axis).ravel())
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    most = int(counts.argmax())
    if counts[most] < MIN_BACKGROUND_SHARE * counts.sum():
        return None
    return float(values[most])


def find_brain(images: Sequence[Image]) -> Mask:
    """Return the mask (z, y, x) of voxels where any modality differs from its background.

    Nothing is filled or removed: in the skull-stripped scans of BraTS 2013 the result is exactly
    the mask that comes with them. A modality without a constant background marks everything.

    Example:
        >>> image = np.zeros((4, 6, 6))
        >>> image[1:3, 2:4, 2:4] = 7
        >>> int(find_brain([image]).sum())
        8
    """
    brain = np.zeros(images[0].shape, dtype=bool)
    for image in images:
        background = find_background(image)
        brain |= True if background is None else image != background
    return brain


def normalize(image: Image, brain: Mask) -> NDArray[np.float16]:
    """Clip to the 1st and 99th percentile in the brain, then standardize there; 0 outside.

    Source: Havaei et al. (2017), preprocessing, as far as percentiles and z-scores go. Difference:
    mean and standard deviation are of the brain's voxels only.

    Raises:
        DataError: The image is the same everywhere in the brain.

    Example:
        >>> image = np.array([[[0.0, 1.0, 3.0, 5.0]]])
        >>> normalize(image, image > 0).round(2).tolist()
        [[[0.0, -1.2197265625, 0.0, 1.2197265625]]]
    """
    inside = image[brain].astype(np.float64)
    inside = np.clip(inside, *np.percentile(inside, PERCENTILES))
    if not inside.std() > 0:
        raise DataError(f"it is {inside[0]:g} everywhere in the brain. Is it the right file?")
    normal = np.zeros(image.shape, dtype=np.float16)
    normal[brain] = (inside - inside.mean()) / inside.std()
    return normal


def correct_bias(image: Image, brain: Mask, geometry: Geometry) -> NDArray[np.float32]:
    """Divide by the smooth bias field that N4 (SimpleITK's defaults) estimates inside the brain.

    The field is estimated on a grid of every fourth voxel, as is usual, with one thread so that it
    is the same on every machine. Voxels of 0 have no logarithm and are ignored.

    Raises:
        DataError: The image is negative in places of the brain, so it is not raw.
    """
    itk = import_itk()

    if image[brain].min() < 0:
        raise DataError(
            "it is negative in places, and N4 needs raw intensities. Leave n4 (--n4) out."
        )
    whole = itk.GetImageFromArray(image.astype(np.float32))
    mask = itk.GetImageFromArray((brain & (image > 0)).astype(np.uint8))
    whole.SetSpacing(geometry.spacing_mm[::-1])
    mask.SetSpacing(geometry.spacing_mm[::-1])
    factors = [N4_SHRINK if side >= N4_MIN_SIDE else 1 for side in whole.GetSize()]
    corrector = itk.N4BiasFieldCorrectionImageFilter()
    corrector.SetNumberOfThreads(1)
    corrector.Execute(itk.Shrink(whole, factors), itk.Shrink(mask, factors))
    field = itk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole))
    corrected: NDArray[np.float32] = (image / np.exp(field)).astype(np.float32)
    return corrected
