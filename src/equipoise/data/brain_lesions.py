"""The shapes of drawn brain tumors, whose parts have the number of voxels that is asked for."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from equipoise.data.brain_shapes import SPOT, WHITE, Brain, Codes, Head, highest
from equipoise.data.drawing import Solid

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
    dead = highest(near + 0.3 * radius * head.field(f"{lesion.name} necrosis", 18), core, lesion.necrosis)
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


def _blob(head: Head, name: str, center: tuple[float, float, float], radius: float, rough: float) -> Solid:
    """Give minus the distance to a center near `center`, in mm, with hills of `rough` radii."""
    moved = [c + head.number(f"{name} shift {k}", -0.3, 0.3) * radius for k, c in enumerate(center)]
    stretch = [head.number(f"{name} stretch {k}", 0.8, 1.25) for k in range(3)]
    near = 1 - head.level((moved[0], moved[1], moved[2]), (stretch[0], stretch[1], stretch[2]))
    hills = [
        head.field(f"{name} {k}", max(size * radius, 9)) / k for k, size in enumerate((1.3, 0.9, 0.6), start=1)
    ]
    noise = np.sum(hills, axis=0)
    return np.asarray(rough * radius * noise - near)


def _along(brain: Brain, radius: float) -> Solid:
    """Edema spreads in white matter."""
    return 0.3 * radius * np.isin(brain.tissue, (WHITE, SPOT)).astype(np.float32)


def _radius_mm(head: Head, n: int) -> float:
    """Radius of the ball of n voxels."""
    return float((3 * n * np.prod(head.spacing_mm) / (4 * np.pi)) ** (1 / 3))
