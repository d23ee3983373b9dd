"""Draw cervical cells in a Papanicolaou stain: light that passes through layers of dye."""

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.phantoms.drawing import (
    NamedRandom,
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

# Standard deviation of a cell's severity from that of its class, for two classes at distance 1.
OVERLAP = 0.45
# Short waves of an outline are lower; (4, 1).
WAVE_SHARES = np.array([1.0, 0.75, 0.6, 0.5], dtype=np.float32)[:, None]
N_NEIGHBORS, N_LEUKOCYTES = 3, 4  # at most


def paint_cells(
    random: NamedRandom, label: int, n_classes: int, traits: NDArray[np.float32], size: int
) -> Images:
    """Draw a cell in the middle of each image, among pieces of others; (n, 3, size, size) uint8.

    Severity runs from 0 (first class) to 1 (last). It changes the size, darkness, border and grain
    of the nucleus and the size of the cell, each with its own spread. The patient's traits set the
    stain and the light.
    """
    n = len(traits)
    step = 1 / (n_classes - 1)
    severity = label * step + OVERLAP * step**0.75 * random.normal("severity", n)
    eosin = np.clip(0.4 + 0.28 * traits[:, 0] + 0.25 * random.normal("eosin", n), 0, 1)
    stain = np.exp(0.16 * traits[:, 1] + 0.08 * random.normal("stain", n))
    layers = _glass(random, traits, size)
    for k in range(N_NEIGHBORS):
        layers += _neighbor(random, f"neighbor {k}", eosin, size)
    layers += _cell(random, severity, eosin, size)
    layers += _dyed(_leukocytes(random, n, size), VIOLET)
    light = np.exp(-stain.reshape(-1, 1, 1, 1) * layers)
    return expose(random, light, blur=random.uniform("focus", 0.25, 0.8, n), noise=0.018)


def _cell(random: NamedRandom, severity: Values, eosin: Values, size: int) -> Layers:
    """Cytoplasm and nucleus."""
    n = len(severity)
    at = grid(size) - plane(random.point("cell", n, 0.1))
    at = at * plane(random.direction("cell turn", n))
    radius = _trait(random, "radius", severity, (0.72, 0.50), 0.08).clip(0.34, 0.86)
    waves = 0.07 * WAVE_SHARES * random.normal("border", n, 4, 2)
    long = stretched(at, np.exp(0.16 * random.normal("stretch", n)))
    body = soft(outline(long, radius, waves), 0.07, size)
    folds = 1 + 0.16 * random.field("folds", n, size, 7)
    thickness = plane(_trait(random, "thickness", severity, (0.75, 1.0), 0.13).clip(0.4))
    distance = _nucleus_distance(random, severity, radius, at)
    halo = 1 - 0.35 * soft(distance + 0.10, 0.12, size)
    cytoplasm = _dyed(thickness * body * folds * halo, _cytoplasm_color(eosin))
    # A nucleus has clumped chromatin inside and a darker rim.
    density = plane(_trait(random, "density", severity, (0.55, 0.95), 0.13).clip(0.25))
    clumps = plane(_trait(random, "clumps", severity, (0.10, 0.26), 0.05).clip(0.03))
    chromatin = 1 + clumps * random.field("chromatin", n, size, 20)
    rim = 0.16 * (1 - soft(distance - 0.04, 0.09, size))
    nucleus = soft(distance, 0.05, size) * (density * chromatin + rim)
    return cytoplasm + _dyed(nucleus, VIOLET)


def _nucleus_distance(
    random: NamedRandom, severity: Values, cell_radius: Values, at: Points
) -> Plane:
    """Signed distance to the border of the nucleus, positive inside."""
    n = len(severity)
    share = _trait(random, "nucleus radius", severity, (0.30, 0.56), 0.05).clip(0.18, 0.78)
    stretch = np.exp(_trait(random, "nucleus stretch", severity, (0.0, 0.12), 0.09))
    ragged = (0.02 + 0.04 * np.clip(severity, 0, 1.3))[:, None, None]
    waves = ragged * WAVE_SHARES * random.normal("nucleus border", n, 4, 2)
    center = plane(random.point("nucleus", n, 0.07))
    return outline(stretched(at - center, stretch), share * cell_radius, waves)


def _neighbor(random: NamedRandom, name: str, eosin: Values, size: int) -> Layers:
    """A piece of a healthy cell that reaches into some of the images."""
    n = len(eosin)
    away = random.uniform(f"{name} away", 0.95, 1.7, n)
    at = grid(size) - plane(away * random.direction(f"{name} turn", n))
    present = plane(0.6 * (random.uniform(f"{name} present", 0, 1, n) < 0.6))
    waves = 0.08 * WAVE_SHARES * random.normal(f"{name} border", n, 4, 2)
    cell_radius = random.uniform(f"{name} radius", 0.45, 0.85, n)
    body = soft(outline(at, cell_radius, waves), 0.09, size)
    nucleus_radius = random.uniform(f"{name} nucleus", 0.12, 0.24, n)
    nucleus = soft(outline(at, nucleus_radius, 0.3 * waves), 0.06, size)
    folds = 1 + 0.18 * random.field(f"{name} folds", n, size, 6)
    color = _cytoplasm_color(np.clip(eosin + 0.3 * random.normal(f"{name} eosin", n), 0, 1))
    return _dyed(present * body * folds, color) + _dyed(present * nucleus, VIOLET)


def _leukocytes(random: NamedRandom, n: int, size: int) -> Plane:
    """Density of small lobed nuclei here and there."""
    dots = np.zeros((n, size, size), dtype=np.float32)
    for k in range(N_LEUKOCYTES):
        present = plane(0.8 * (random.uniform(f"leukocyte {k} present", 0, 1, n) < 0.3))
        at = grid(size) - plane(random.point(f"leukocyte {k}", n, 0.6))
        waves = 0.25 * random.normal(f"leukocyte {k} border", n, 2, 2)
        radius = random.uniform(f"leukocyte {k} radius", 0.03, 0.09, n)
        dots += present * soft(outline(at, radius, waves), 0.05, size)
    return dots


def _glass(random: NamedRandom, traits: NDArray[np.float32], size: int) -> Layers:
    """The slide: its tint, uneven light, mucus."""
    n = len(traits)
    slope = (plane(random.point("slope", n, 0.05)) * grid(size)).real
    mucus = 0.04 * random.field("mucus", n, size, 5) + 0.02 * random.field("grain", n, size, 18)
    tint = np.clip(GLASS + 0.025 * traits[:, 2:5], 0.01, 0.3)
    return tint[:, :, None, None] + (slope + mucus)[:, None]


def _trait(
    random: NamedRandom, name: str, severity: Values, ends: tuple[float, float], spread: float
) -> Values:
    """A number that goes from one end to the other with severity, with its own spread."""
    values = ends[0] + (ends[1] - ends[0]) * severity + spread * random.normal(name, len(severity))
    return np.asarray(values, dtype=np.float32)


def _cytoplasm_color(eosin: Values) -> NDArray[np.float32]:
    return np.asarray(eosin[:, None] * PINK + (1 - eosin[:, None]) * BLUE_GREEN)


def _dyed(density: Plane, color: NDArray[np.float32]) -> Layers:
    return np.asarray(density[:, None] * color[:, :, None, None])
