"""Draw the shapes of a brain and its tumors: where the tissues and the parts of a tumor are.

Coordinates are in mm from the middle of the head: x to the patient's left, y to the back, z to the
top.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from equipoise.data.phantoms.drawing import NamedRandom, Solid

Mask = NDArray[np.bool_]  # (z, y, x)
Codes = NDArray[np.uint8]  # (z, y, x)

EXTENT_MM = (144.0, 192.0, 192.0)  # of the volume, along z, y and x
HALF_AXES_MM = (62.0, 84.0, 68.0)  # of the brain
MIDLINE_MM = 1.8  # half the width of the cleft between the hemispheres
CSF, GRAY, WHITE, VESSEL, SPOT = range(5)  # tissues
NECROSIS, EDEMA, NON_ENHANCING, ENHANCING = 1, 2, 3, 4  # as in scheme "brats2013"


@dataclass(frozen=True)
class Head:
    """The positions of the voxels of one patient, and the patient's random numbers."""

    random: NamedRandom
    shape: tuple[int, int, int]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along z, y and x."""
        depth, height, width = self.shape
        return EXTENT_MM[0] / depth, EXTENT_MM[1] / height, EXTENT_MM[2] / width

    @cached_property
    def at(self) -> tuple[Solid, Solid, Solid]:
        """(z, y, x) of the voxels, each of a shape that broadcasts to the volume's."""
        axes = []
        for n, extent in zip(self.shape, EXTENT_MM, strict=True):
            axes.append(((np.arange(n) + 0.5) / n - 0.5) * extent)
        z, y, x = np.ix_(*axes)
        return z, y, x

    def field(self, name: str, hill_mm: float) -> Solid:
        """Draw a smooth field of standard deviation 1 with hills about `hill_mm` apart."""
        z, y, x = (max(round(extent / hill_mm), 1) for extent in EXTENT_MM)
        return self.random.solid(name, self.shape, (z, y, x))

    def number(self, name: str, low: float, high: float) -> float:
        """Draw one number."""
        return float(self.random.uniform(name, low, high))

    def level(
        self, center: tuple[float, float, float], half_axes: tuple[float, float, float]
    ) -> Solid:
        """Return 1 at the center of an ellipsoid, 0 on its surface, and less outside."""
        z, y, x = self.at
        square = ((z - center[0]) / half_axes[0]) ** 2
        square = square + ((y - center[1]) / half_axes[1]) ** 2
        square = square + ((x - center[2]) / half_axes[2]) ** 2
        return np.asarray(1 - np.sqrt(square))


class Brain(NamedTuple):
    """Masks of a healthy brain, and its tissues (codes, where the mask is)."""

    mask: Mask
    ventricles: Mask
    tissue: Codes


@dataclass(frozen=True)
class Lesion:
    """Numbers of voxels of each part of a tumor; its name selects its random numbers."""

    name: str
    necrosis: int
    edema: int
    non_enhancing: int
    enhancing: int

    @property
    def n_core(self) -> int:
        """Voxels of everything but edema."""
        return self.necrosis + self.non_enhancing + self.enhancing


def draw_brain(head: Head) -> Brain:
    """Draw folded gray matter around white, ventricles, deep nuclei, and imitations of tumor."""
    z, y, x = head.at
    waist = 1 + 0.10 * np.clip(y / HALF_AXES_MM[1], -1, 0.4)  # narrower in front
    low = 1 + 0.25 * np.clip(-z / HALF_AXES_MM[0] - 0.3, 0, 1)  # flatter below
    half_z = head.number("half axis 0", 0.94, 1.04) * HALF_AXES_MM[0]
    half_y = head.number("half axis 1", 0.94, 1.04) * HALF_AXES_MM[1]
    half_x = head.number("half axis 2", 0.94, 1.04) * HALF_AXES_MM[2]
    square = (z * low / half_z) ** 2 + (y / half_y) ** 2 + (x / (half_x * waist)) ** 2
    depth_mm = 72 * (1 - np.sqrt(square)) + 1.2 * head.field("surface", 30)
    mask = np.asarray(depth_mm > 0)
    wide = head.number("ventricles", 0.75, 1.35)
    right, left = (
        head.level((9, 4, side * (6 + 6 * wide)), (13 * wide, 34, 5.5 * wide)) for side in (-1, 1)
    )
    ventricles = mask & (np.maximum(right, left) + 0.12 * head.field("ventricle", 20) > 0)
    return Brain(mask, ventricles, _draw_tissue(head, depth_mm, mask, ventricles))


def draw_lesion(head: Head, brain: Brain, codes: Codes, lesion: Lesion) -> None:
    """Draw a tumor into `codes`, where they are still healthy: edema, the core in it, its parts.

    Every part has the requested number of voxels: those that rank highest in a field, which is
    distance to the middle plus smooth noise.
    """
    name = lesion.name
    side = 1 if head.number(f"{name} side", 0, 1) < 0.5 else -1
    center = (
        head.number(f"{name} z", -16, 28),
        head.number(f"{name} y", -44, 48),
        side * head.number(f"{name} x", 20, 40),
    )
    free = brain.mask & ~brain.ventricles & (codes == 0)
    n_whole = lesion.n_core + lesion.edema
    radius = _radius_mm(head, n_whole)
    is_white = np.isin(brain.tissue, (WHITE, SPOT)).astype(np.float32)  # edema spreads there
    blob = _blob(head, f"{name} whole", center, radius, 0.45) + 0.3 * radius * is_white
    whole = highest(blob, free, n_whole)
    radius = _radius_mm(head, lesion.n_core)
    blob = _blob(head, f"{name} core", center, radius, 0.35)
    core = highest(blob, whole, lesion.n_core)
    inner = blob + 0.3 * radius * head.field(f"{name} necrosis", 18)
    necrosis = highest(inner, core, lesion.necrosis)
    rim = 0.45 * radius * head.field(f"{name} rim", 16)
    if necrosis.any():
        rim = rim - distance_transform_edt(~necrosis, sampling=head.spacing_mm)
    codes[whole] = EDEMA
    codes[core] = NON_ENHANCING
    codes[highest(rim, core & ~necrosis, lesion.enhancing)] = ENHANCING
    codes[necrosis] = NECROSIS


def highest(field: Solid, within: Mask, n: int) -> Mask:
    """Return the n voxels of a mask (all, if it has fewer) where a field is highest.

    Example:
        >>> field = np.array([[[5.0, 1.0, 4.0, 9.0]]])
        >>> highest(field, field < 9, 2).tolist()
        [[[True, False, True, False]]]
    """
    chosen = np.zeros_like(within)
    places = np.flatnonzero(within)
    order = np.argsort(-field.ravel()[places], kind="stable")
    chosen.ravel()[places[order[:n]]] = True
    return chosen


def _draw_tissue(head: Head, depth_mm: Solid, mask: Mask, ventricles: Mask) -> Codes:
    z, y, x = head.at
    folds = head.field("folds", 15)
    tissue = np.full(head.shape, WHITE, dtype=np.uint8)
    tissue[depth_mm < 7 + 5 * folds] = GRAY
    for side in (-1, 1):  # deep nuclei
        tissue[head.level((2, 6, side * 21), (15, 22, 9)) > 0] = GRAY
    tissue[(np.abs(head.field("furrows", 13)) < 0.16) & (depth_mm < 14)] = CSF
    tissue[(np.abs(x) < MIDLINE_MM) & (depth_mm < 26)] = CSF
    # White matter that is bright on FLAIR without a tumor: caps of the ventricles and patches.
    white = mask & (tissue == WHITE)
    far_mm = distance_transform_edt(~ventricles, sampling=head.spacing_mm)
    n_spots = round(head.number("spots", 0.0005, 0.006) * white.size)
    tissue[highest(head.field("spots", 11) - far_mm / 25, white, n_spots)] = SPOT
    tissue[ventricles] = CSF
    # Contrast uptake without a tumor: sinus, branches (where two fields are 0), choroid plexus.
    sinus = (np.abs(x) < 5) & (depth_mm < 7) & ((z > 20) | (y > 50))
    crossing = np.hypot(head.field("vessels a", 26), head.field("vessels b", 26))
    branches = (crossing < head.number("vessels", 0.12, 0.22)) & (depth_mm < 45)
    plexus = ventricles & (head.field("plexus", 10) > 0.9)
    tissue[sinus | branches | plexus] = VESSEL
    return tissue


def _blob(
    head: Head, name: str, center: tuple[float, float, float], radius: float, rough: float
) -> Solid:
    """Return minus the distance to a center near `center`, in mm, with hills of `rough` radii."""
    moved, stretch = [], []
    for k in range(3):
        moved.append(center[k] + head.number(f"{name} shift {k}", -0.3, 0.3) * radius)
        stretch.append(head.number(f"{name} stretch {k}", 0.8, 1.25))
    distance = 1 - head.level((moved[0], moved[1], moved[2]), (stretch[0], stretch[1], stretch[2]))
    hills = []
    for k, size in enumerate((1.3, 0.9, 0.6), start=1):
        hills.append(head.field(f"{name} {k}", max(size * radius, 9)) / k)
    noise = np.sum(hills, axis=0)
    return np.asarray(rough * radius * noise - distance)


def _radius_mm(head: Head, n: int) -> float:
    """Return the radius of a ball of n voxels."""
    return float((3 * n * np.prod(head.spacing_mm) / (4 * np.pi)) ** (1 / 3))
