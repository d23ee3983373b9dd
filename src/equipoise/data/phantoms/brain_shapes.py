"""The shapes of a drawn brain without its tumor: where its tissues are.

Millimeters around the middle of the head: x to the patient's left, y to the back, z to the top.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from equipoise.data.phantoms.drawing import Chance, Solid

Mask = NDArray[np.bool_]  # (z, y, x)
Codes = NDArray[np.uint8]  # (z, y, x)

EXTENT_MM = (144.0, 192.0, 192.0)  # of the volume, along z, y and x
HALF_AXES_MM = (62.0, 84.0, 68.0)  # of the brain
MIDLINE_MM = 1.8  # half the width of the cleft between the hemispheres
CSF, GRAY, WHITE, VESSEL, SPOT = range(5)  # tissues


@dataclass(frozen=True)
class Head:
    """Where the voxels of one patient are, and the patient's own chance."""

    chance: Chance
    shape: tuple[int, int, int]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along z, y and x."""
        z, y, x = (extent / n for extent, n in zip(EXTENT_MM, self.shape, strict=True))
        return z, y, x

    @cached_property
    def at(self) -> tuple[Solid, Solid, Solid]:
        """(z, y, x) of the voxels, each of a shape that broadcasts to the volume's."""
        axes = [
            ((np.arange(n) + 0.5) / n - 0.5) * extent
            for extent, n in zip(EXTENT_MM, self.shape, strict=True)
        ]
        z, y, x = np.ix_(*axes)
        return z, y, x

    def field(self, name: str, hill_mm: float) -> Solid:
        """Draw a smooth field of deviation 1 whose hills and valleys are about `hill_mm` apart."""
        z, y, x = (max(round(extent / hill_mm), 1) for extent in EXTENT_MM)
        return self.chance.solid(name, self.shape, (z, y, x))

    def number(self, name: str, low: float, high: float) -> float:
        """Draw one number."""
        return float(self.chance.uniform(name, low, high))

    def level(
        self, center: tuple[float, float, float], half_axes: tuple[float, float, float]
    ) -> Solid:
        """Give 1 at the center of an ellipsoid and 0 on its surface; below outside."""
        parts = [((a - c) / h) ** 2 for a, c, h in zip(self.at, center, half_axes, strict=True)]
        return np.asarray(1 - np.sqrt(parts[0] + parts[1] + parts[2]))


class Brain(NamedTuple):
    """Masks of a healthy brain, and its tissues (codes, where the mask is)."""

    mask: Mask
    ventricles: Mask
    tissue: Codes


def draw_brain(head: Head) -> Brain:
    """Draw folded gray matter around white, ventricles, deep nuclei, and what is often taken for tumor."""
    z, y, x = head.at
    waist = 1 + 0.10 * np.clip(y / HALF_AXES_MM[1], -1, 0.4)  # narrower in front
    low = 1 + 0.25 * np.clip(-z / HALF_AXES_MM[0] - 0.3, 0, 1)  # flatter below
    build = [
        head.number(f"half axis {k}", 0.94, 1.04) * half for k, half in enumerate(HALF_AXES_MM)
    ]
    level = 1 - np.sqrt(
        (z * low / build[0]) ** 2 + (y / build[1]) ** 2 + (x / (build[2] * waist)) ** 2
    )
    depth_mm = 72 * level + 1.2 * head.field("surface", 30)
    mask = np.asarray(depth_mm > 0)
    ventricles = mask & _ventricles(head)
    return Brain(mask, ventricles, _tissue(head, depth_mm, mask, ventricles))


def highest(field: Solid, within: Mask, n: int) -> Mask:
    """Mark the n voxels of a mask (all, if it has fewer) where a field is highest."""
    chosen = np.zeros_like(within)
    places = np.flatnonzero(within)
    order = np.argsort(-field.ravel()[places], kind="stable")
    chosen.ravel()[places[order[:n]]] = True
    return chosen


def _tissue(head: Head, depth_mm: Solid, mask: Mask, ventricles: Mask) -> Codes:
    x = head.at[2]
    folds = head.field("folds", 15)
    tissue = np.full(head.shape, WHITE, dtype=np.uint8)
    tissue[depth_mm < 7 + 5 * folds] = GRAY
    for side in (-1, 1):
        tissue[head.level((2, 6, side * 21), (15, 22, 9)) > 0] = GRAY
    tissue[(np.abs(head.field("furrows", 13)) < 0.16) & (depth_mm < 14)] = CSF
    tissue[(np.abs(x) < MIDLINE_MM) & (depth_mm < 26)] = CSF
    white = mask & (tissue == WHITE)
    tissue[_spots(head, white, ventricles)] = SPOT
    tissue[ventricles] = CSF
    tissue[_vessels(head, depth_mm, ventricles)] = VESSEL
    return tissue


def _ventricles(head: Head) -> Mask:
    wide = head.number("ventricles", 0.75, 1.35)
    sides = [
        head.level((9, 4, side * (6 + 6 * wide)), (13 * wide, 34, 5.5 * wide)) for side in (-1, 1)
    ]
    return np.asarray(np.maximum(*sides) + 0.12 * head.field("ventricle", 20) > 0)


def _spots(head: Head, white: Mask, ventricles: Mask) -> Mask:
    """White matter that is bright on FLAIR without a tumor: caps of the ventricles and scattered patches."""
    far_mm = distance_transform_edt(~ventricles, sampling=head.spacing_mm)
    n = round(head.number("spots", 0.0005, 0.006) * white.size)
    return highest(head.field("spots", 11) - far_mm / 25, white, n)


def _vessels(head: Head, depth_mm: Solid, ventricles: Mask) -> Mask:
    """What takes up contrast without a tumor: great sinus, branches (where two fields are 0), choroid plexus."""
    z, y, x = head.at
    sinus = (np.abs(x) < 5) & (depth_mm < 7) & ((z > 20) | (y > 50))
    crossing = np.hypot(head.field("vessels a", 26), head.field("vessels b", 26))
    branches = (crossing < head.number("vessels", 0.12, 0.22)) & (depth_mm < 45)
    plexus = ventricles & (head.field("plexus", 10) > 0.9)
    return np.asarray(sinus | branches | plexus)


NECROSIS, EDEMA, NON_ENHANCING, ENHANCING = 1, 2, 3, 4  # as in scheme "brats2013"


@dataclass(frozen=True)
class Lesion:
    """Voxels of each part of a tumor, and the name of its chance."""

    name: str
    necrosis: int
    edema: int
    non_enhancing: int
    enhancing: int

    @property
    def n_core(self) -> int:
        """Voxels of everything but edema."""
        return self.necrosis + self.non_enhancing + self.enhancing


def draw_lesion(head: Head, brain: Brain, codes: Codes, lesion: Lesion) -> None:
    """Write a tumor into `codes`, where they are still healthy: edema, in it the core, in the core its parts.

    Every part is the wanted number of voxels that rank highest in a field: near the middle, plus smooth noise.
    """
    center = _center(head, lesion.name)
    free = brain.mask & ~brain.ventricles & (codes == 0)
    radius = _radius_mm(head, lesion.n_core + lesion.edema)
    whole = highest(_blob(head, f"{lesion.name} whole", center, radius, 0.45) + _along(brain, radius), free,
                     lesion.n_core + lesion.edema)  # fmt: skip
    radius = _radius_mm(head, lesion.n_core)
    near = _blob(head, f"{lesion.name} core", center, radius, 0.35)
    core = highest(near, whole, lesion.n_core)
    dead = highest(
        near + 0.3 * radius * head.field(f"{lesion.name} necrosis", 18), core, lesion.necrosis
    )
    rim = 0.45 * radius * head.field(f"{lesion.name} rim", 16)
    if dead.any():
        rim = rim - distance_transform_edt(~dead, sampling=head.spacing_mm)
    codes[whole], codes[core] = EDEMA, NON_ENHANCING
    codes[highest(rim, core & ~dead, lesion.enhancing)] = ENHANCING
    codes[dead] = NECROSIS


def _center(head: Head, name: str) -> tuple[float, float, float]:
    side = 1 if head.number(f"{name} side", 0, 1) < 0.5 else -1
    away = head.number(f"{name} x", 20, 40)
    return head.number(f"{name} z", -16, 28), head.number(f"{name} y", -44, 48), side * away


def _blob(
    head: Head, name: str, center: tuple[float, float, float], radius: float, rough: float
) -> Solid:
    """Give minus the distance to a center near `center`, in mm, with hills of `rough` radii."""
    moved = [c + head.number(f"{name} shift {k}", -0.3, 0.3) * radius for k, c in enumerate(center)]
    stretch = [head.number(f"{name} stretch {k}", 0.8, 1.25) for k in range(3)]
    near = 1 - head.level((moved[0], moved[1], moved[2]), (stretch[0], stretch[1], stretch[2]))
    hills = [
        head.field(f"{name} {k}", max(size * radius, 9)) / k
        for k, size in enumerate((1.3, 0.9, 0.6), start=1)
    ]
    noise = np.sum(hills, axis=0)
    return np.asarray(rough * radius * noise - near)


def _along(brain: Brain, radius: float) -> Solid:
    """Edema spreads in white matter."""
    return 0.3 * radius * np.isin(brain.tissue, (WHITE, SPOT)).astype(np.float32)


def _radius_mm(head: Head, n: int) -> float:
    """Radius of the ball of n voxels."""
    return float((3 * n * np.prod(head.spacing_mm) / (4 * np.pi)) ** (1 / 3))
