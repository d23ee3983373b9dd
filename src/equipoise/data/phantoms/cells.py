"""Paint cervical cells as a Papanicolaou stain shows them: light that passes through layers of dye."""

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.phantoms.drawing import (
    Chance,
    Plane,
    Points,
    Values,
    expose,
    grid,
    outline,
    plane,
    soft,
    stretched,
)

Layers = NDArray[np.float32]  # (n, 3, size, size) absorbance of red, green and blue light

GLASS = np.array([0.10, 0.12, 0.08], dtype=np.float32)
BLUE_GREEN = np.array([0.42, 0.15, 0.13], dtype=np.float32)  # cytoplasm of deeper layers
PINK = np.array([0.06, 0.36, 0.22], dtype=np.float32)  # cytoplasm of the surface
VIOLET = np.array([[1.15, 1.35, 0.72]], dtype=np.float32)  # nuclei

OVERLAP = 0.45  # deviation of a cell's severity from that of its class, for two classes one apart
WAVE_SHARES = np.array([1.0, 0.75, 0.6, 0.5], dtype=np.float32)[
    :, None
]  # short waves of an outline are lower
N_NEIGHBORS, N_LEUKOCYTES = 3, 4  # at most


def paint_cells(
    chance: Chance, label: int, n_classes: int, traits: NDArray[np.float32], size: int
) -> Images:
    """Draw a cell in the middle of each image, among pieces of others; (n, 3, size, size) uint8.

    Severity runs from 0 (first class) to 1 (last). It moves the size, darkness, border and grain of the nucleus and
    the size of the cell, each with a spread of its own. The patient's traits set the stain and the light.
    """
    n = len(traits)
    step = 1 / (n_classes - 1)
    severity = label * step + OVERLAP * step**0.75 * chance.normal("severity", n)
    eosin = np.clip(0.4 + 0.28 * traits[:, 0] + 0.25 * chance.normal("eosin", n), 0, 1)
    stain = np.exp(0.16 * traits[:, 1] + 0.08 * chance.normal("stain", n))
    layers = _glass(chance, traits, size)
    for k in range(N_NEIGHBORS):
        layers += _neighbor(chance, f"neighbor {k}", eosin, size)
    layers += _cell(chance, severity, eosin, size)
    layers += _dyed(_leukocytes(chance, n, size), VIOLET)
    light = np.exp(-stain.reshape(-1, 1, 1, 1) * layers)
    return expose(chance, light, blur=chance.uniform("focus", 0.25, 0.8, n), noise=0.018)


def _cell(chance: Chance, severity: Values, eosin: Values, size: int) -> Layers:
    n = len(severity)
    at = (grid(size) - plane(chance.point("cell", n, 0.1))) * plane(chance.turn("cell turn", n))
    radius = _trait(chance, "radius", severity, (0.72, 0.50), 0.08).clip(0.34, 0.86)
    waves = 0.07 * WAVE_SHARES * chance.normal("border", n, 4, 2)
    body = soft(
        outline(stretched(at, np.exp(0.16 * chance.normal("stretch", n))), radius, waves),
        0.07,
        size,
    )
    folds = 1 + 0.16 * chance.field("folds", n, size, 7)
    thickness = plane(_trait(chance, "thickness", severity, (0.75, 1.0), 0.13).clip(0.4))
    distance = _nucleus_distance(chance, severity, radius, at)
    halo = 1 - 0.35 * soft(distance + 0.10, 0.12, size)
    cytoplasm = _dyed(thickness * body * folds * halo, _cytoplasm(eosin))
    return cytoplasm + _dyed(_nucleus(chance, severity, distance, size), VIOLET)


def _nucleus_distance(chance: Chance, severity: Values, cell_radius: Values, at: Points) -> Plane:
    n = len(severity)
    share = _trait(chance, "nucleus radius", severity, (0.30, 0.56), 0.05).clip(0.18, 0.78)
    stretch = np.exp(_trait(chance, "nucleus stretch", severity, (0.0, 0.12), 0.09))
    ragged = (0.02 + 0.04 * np.clip(severity, 0, 1.3))[:, None, None]
    waves = ragged * WAVE_SHARES * chance.normal("nucleus border", n, 4, 2)
    return outline(
        stretched(at - plane(chance.point("nucleus", n, 0.07)), stretch), share * cell_radius, waves
    )


def _nucleus(chance: Chance, severity: Values, distance: Plane, size: int) -> Plane:
    """Density of dye: clumped chromatin inside, a darker rim."""
    density = plane(_trait(chance, "density", severity, (0.55, 0.95), 0.13).clip(0.25))
    clumps = plane(_trait(chance, "clumps", severity, (0.10, 0.26), 0.05).clip(0.03))
    chromatin = 1 + clumps * chance.field("chromatin", len(severity), size, 20)
    rim = 0.16 * (1 - soft(distance - 0.04, 0.09, size))
    return soft(distance, 0.05, size) * (density * chromatin + rim)


def _neighbor(chance: Chance, name: str, eosin: Values, size: int) -> Layers:
    """A piece of a healthy cell that reaches into some of the images."""
    n = len(eosin)
    away = chance.uniform(f"{name} away", 0.95, 1.7, n)
    at = grid(size) - plane(away * chance.turn(f"{name} turn", n))
    present = plane(0.6 * (chance.uniform(f"{name} present", 0, 1, n) < 0.6))
    waves = 0.08 * WAVE_SHARES * chance.normal(f"{name} border", n, 4, 2)
    body = soft(outline(at, chance.uniform(f"{name} radius", 0.45, 0.85, n), waves), 0.09, size)
    nucleus = soft(
        outline(at, chance.uniform(f"{name} nucleus", 0.12, 0.24, n), 0.3 * waves), 0.06, size
    )
    folds = 1 + 0.18 * chance.field(f"{name} folds", n, size, 6)
    color = _cytoplasm(np.clip(eosin + 0.3 * chance.normal(f"{name} eosin", n), 0, 1))
    return _dyed(present * body * folds, color) + _dyed(present * nucleus, VIOLET)


def _leukocytes(chance: Chance, n: int, size: int) -> Plane:
    """Density of small lobed nuclei here and there."""
    dots = np.zeros((n, size, size), dtype=np.float32)
    for k in range(N_LEUKOCYTES):
        present = plane(0.8 * (chance.uniform(f"leukocyte {k} present", 0, 1, n) < 0.3))
        at = grid(size) - plane(chance.point(f"leukocyte {k}", n, 0.6))
        waves = 0.25 * chance.normal(f"leukocyte {k} border", n, 2, 2)
        dots += present * soft(
            outline(at, chance.uniform(f"leukocyte {k} radius", 0.03, 0.09, n), waves), 0.05, size
        )
    return dots


def _glass(chance: Chance, traits: NDArray[np.float32], size: int) -> Layers:
    """The slide: its tint, uneven light, mucus."""
    n = len(traits)
    slope = (plane(chance.point("slope", n, 0.05)) * grid(size)).real
    mucus = 0.04 * chance.field("mucus", n, size, 5) + 0.02 * chance.field("grain", n, size, 18)
    tint = np.clip(GLASS + 0.025 * traits[:, 2:5], 0.01, 0.3)
    return tint[:, :, None, None] + (slope + mucus)[:, None]


def _trait(
    chance: Chance, name: str, severity: Values, ends: tuple[float, float], spread: float
) -> Values:
    """A number that goes from one end to the other with severity, with a spread of its own."""
    values = ends[0] + (ends[1] - ends[0]) * severity + spread * chance.normal(name, len(severity))
    return np.asarray(values, dtype=np.float32)


def _cytoplasm(eosin: Values) -> NDArray[np.float32]:
    return np.asarray(eosin[:, None] * PINK + (1 - eosin[:, None]) * BLUE_GREEN)


def _dyed(density: Plane, color: NDArray[np.float32]) -> Layers:
    return np.asarray(density[:, None] * color[:, :, None, None])
