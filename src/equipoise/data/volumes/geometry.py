"""The position of the voxels of a volume in the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError

Affine: TypeAlias = NDArray[np.float64]  # (4, 4): (x, y, z) in voxels to mm, in RAS as in NIfTI
SPACINGS_MM = (0.001, 100.0)  # between voxels: of a microscope, and more than of any scanner
FARTHEST_MM = 1e5  # of the first voxel from the origin
TOLERANCE = 1e-3  # mm or cosine: programs store geometry in 32 bits, and rounded
DIMENSIONS = 3


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Shape, spacing, position and orientation of a volume.

    Attributes:
        shape: Voxels along (z, y, x).
        spacing_mm: Distance between voxels along (z, y, x).
        origin: Position of voxel (0, 0, 0) in mm, (x, y, z) in LPS, as in SimpleITK.
        direction: The 9 direction cosines, by rows, as in SimpleITK.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def affine(self) -> Affine:
        """From voxels along (x, y, z) to mm in RAS."""
        affine = np.eye(DIMENSIONS + 1)
        affine[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing_mm[::-1]
        affine[:3, 3] = self.origin
        affine[:2] *= -1
        return affine

    def difference(self, other: Self) -> str:
        """Describe the first difference, "" if the geometries agree within 0.001 mm or cosine.

        Example:
            >>> identity = (1, 0, 0, 0, 1, 0, 0, 0, 1)
            >>> a = Geometry(shape=(4, 5, 6), spacing_mm=(3, 1, 1), origin=(0, 0, 0),
            ...              direction=identity)
            >>> b = Geometry(shape=(4, 5, 6), spacing_mm=(3, 1, 2), origin=(0, 0, 0),
            ...              direction=identity)
            >>> a.difference(b)
            'spacing_mm (3.0, 1.0, 1.0) and (3.0, 1.0, 2.0)'
        """
        if self.shape != other.shape:
            return f"shape (z, y, x) {self.shape} and {other.shape}"
        for name in ("spacing_mm", "origin", "direction"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if not np.allclose(mine, theirs, rtol=0, atol=TOLERANCE):
                return f"{name} {_rounded(mine)} and {_rounded(theirs)}"
        return ""


def are_square(axes: NDArray[np.floating[Any]]) -> bool:
    """Return whether three axes of length 1, as columns, are at right angles.

    Example:
        >>> are_square(np.eye(3)), are_square(np.array([[1, 0.3, 0], [0, 0.95, 0], [0, 0, 1]]))
        (True, False)
    """
    return bool(np.allclose(axes.T @ axes, np.eye(DIMENSIONS), atol=TOLERANCE))


def check_spacing(spacing_mm: Sequence[float], path: Path, field: str) -> None:
    """Check the distances between the voxels of a file.

    Raises:
        DataError: One is 0, negative, not a number, or absurd.
    """
    least, most = SPACINGS_MM
    if not all(least <= distance <= most for distance in spacing_mm):
        raise DataError(
            f"Expected {least:g} to {most:g} mm between the voxels of {path}, its header says "
            f"{', '.join(f'{distance:g}' for distance in spacing_mm)} ({field}). Correct the "
            "header."
        )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
