"""The position of the voxels of a volume in the patient."""

from dataclasses import dataclass
from typing import Self

import numpy as np

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


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
