"""Where the voxels of a volume lie in the patient."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

TOLERANCE = 1e-3  # mm or cosine: programs store geometry in 32 bits, and rounded
DIMENSIONS = 3


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Where voxels lie in the patient.

    Attributes:
        shape: Voxels along (z, y, x).
        spacing_mm: Distance between voxels along (z, y, x).
        origin: Place of voxel (0, 0, 0) in mm, (x, y, z) in LPS as SimpleITK gives it.
        direction: The 9 direction cosines, by rows, as SimpleITK gives them.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of_case(cls, facts: Mapping[str, Any]) -> Self:
        """Take the geometry of the source, before it was cropped, from the facts of a prepared case."""
        return cls(
            shape=tuple(facts["full_shape"]),
            spacing_mm=tuple(facts["spacing_mm"]),
            origin=tuple(facts["origin"]),
            direction=tuple(facts["direction"]),
        )

    def difference(self, other: Self) -> str:
        """Say the first thing in which two geometries differ, "" if they agree within 0.001 mm or cosine."""
        if self.shape != other.shape:
            return f"shape (z, y, x) {self.shape} and {other.shape}"
        for name in ("spacing_mm", "origin", "direction"):
            one, two = getattr(self, name), getattr(other, name)
            if not np.allclose(one, two, rtol=0, atol=TOLERANCE):
                return f"{name} {_rounded(one)} and {_rounded(two)}"
        return ""


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
