"""Paint frontal chest films: tissue along the ray adds up, air takes away, the exposure flattens the bright end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.phantoms.drawing import Chance, Plane, Values, expose, grid, plane, soft

SIDES = (-1, 1)  # the patient's right lung is on the left of the film
PNEUMONIA, COVID = 1, 2  # labels; 0 is healthy
N_HARMLESS, N_PATCHES = 2, 6


@dataclass(frozen=True)
class Sitting:
    """What every part of a film is drawn from.

    Attributes:
        chance: Draws what differs between films.
        traits: (n, 6) what differs between patients: length, breadth, chest, air, heart, exposure.
        y: Height in the body, -1 (neck) to 1 (belly), as the patient stands.
        x: Distance from the spine, negative on the patient's right.
        size: Side in pixels.
    """

    chance: Chance
    traits: NDArray[np.float32]
    y: Plane
    x: Plane
    size: int

    @property
    def n(self) -> int:
        """Number of films."""
        return len(self.traits)


def paint_films(
    chance: Chance, label: int, n_classes: int, traits: NDArray[np.float32], size: int
) -> Images:
    """Draw a film in each image; (n, 1, size, size) uint8.

    A cloud in one lung (label 1), or fainter patches at the outer border of both (label 2), whatever the number of
    classes; every film has harmless shadows too. The patient's traits set build, heart and exposure.
    """
    s = _sit(chance, traits, size)
    middle = _middle(s)
    lungs = [_lung(s, side) * (1 - middle) for side in SIDES]
    air = lungs[0] + lungs[1]
    film = _trunk(s) + 0.09 * middle + _spine(s) + _bones(s)
    film -= plane(0.50 + 0.05 * traits[:, 3]) * air * (1 + 0.09 * chance.field("air", s.n, size, 6))
    film += _vessels(s) * air + _shadows(s, label, lungs)
    return _developed(s, film)


def _sit(chance: Chance, traits: NDArray[np.float32], size: int) -> Sitting:
    """No two films are taken from quite the same place."""
    n = len(traits)
    at = grid(size) * plane(np.exp(0.07j * chance.normal("tilt", n))) - plane(
        chance.point("center", n, 0.08)
    )
    length = plane(np.exp(0.08 * traits[:, 0] + 0.08 * chance.normal("breath", n)))
    breadth = plane(np.exp(0.08 * traits[:, 1] + 0.05 * chance.normal("turn", n)))
    return Sitting(chance, traits, at.imag / length, at.real / breadth, size)


def _trunk(s: Sitting) -> Plane:
    """Neck, shoulders and trunk, of uneven tissue."""
    tissue = 0.60 + 0.10 * s.y - 0.10 * s.x**2 + 0.03 * s.chance.field("tissue", s.n, s.size, 9)
    width = 0.33 + 0.59 * soft(s.y + 0.72 - 0.05 * plane(s.traits[:, 2]), 0.42, s.size)
    return np.asarray(soft(width - np.abs(s.x), 0.10, s.size) * tissue)


def _lung(s: Sitting, side: int) -> Plane:
    """Share of air: between apex, outer wall, mediastinum and diaphragm."""
    out = s.x * side
    apex = plane(-0.80 + 0.04 * s.chance.normal(f"apex {side}", s.n))
    base = plane((0.42 if side < 0 else 0.50) + 0.08 * s.chance.normal(f"base {side}", s.n))
    depth = np.clip((s.y - apex) / (base - apex), 0, 1)
    outer = 0.03 + (0.76 + 0.03 * plane(s.traits[:, 2])) * np.sqrt(1 - (1 - depth) ** 2.6)
    dome = base - 0.10 + 0.55 * (out - 0.36) ** 2
    inside = np.minimum(np.minimum(outer - out, out - 0.13), np.minimum(s.y - apex, dome - s.y))
    return soft(inside, 0.09, s.size)


def _middle(s: Sitting) -> Plane:
    """Share of the air that great vessels, heart and aortic knob displace."""
    vessels = soft(0.16 + 0.05 * s.y - np.abs(s.x - 0.02), 0.12, s.size) * soft(
        s.y + 0.95, 0.4, s.size
    )
    center = 0.16 + 0.02 * s.traits[:, 4] + 0.24j
    axis = np.exp(1j * (0.5 + 0.12 * s.chance.normal("heart", s.n)))
    at = (s.x + 1j * s.y - plane(center)) * np.conj(plane(axis))
    breadth = plane(0.37 * np.exp(0.12 * s.traits[:, 4]))
    heart = soft(1 - np.hypot(at.real / breadth, at.imag / 0.27), 0.32, s.size)
    knob = soft(1 - np.hypot((s.x - 0.15) / 0.11, (s.y + 0.30) / 0.13), 0.6, s.size)
    return np.asarray(1 - (1 - vessels) * (1 - heart) * (1 - 0.9 * knob))


def _spine(s: Sitting) -> Plane:
    """Vertebrae, less the air in the trachea before them."""
    bone = (
        soft(0.10 - np.abs(s.x), 0.09, s.size)
        * (0.11 + 0.018 * np.cos(24 * s.y))
        * soft(0.7 - s.y, 1.2, s.size)
    )
    trachea = (
        0.10 * soft(0.055 - np.abs(s.x - 0.01), 0.06, s.size) * soft(-0.28 - s.y, 0.15, s.size)
    )
    return np.asarray(bone - trachea)


def _bones(s: Sitting) -> Plane:
    """Ribs: the bright posterior ones fall outward, the faint anterior ones rise; and the collarbones."""
    out = np.abs(s.x)
    cage = soft(0.82 - out, 0.12, s.size) * soft(out - 0.10, 0.12, s.size)
    cage = cage * soft(s.y + 0.86, 0.2, s.size) * soft(0.5 - s.y, 0.3, s.size)
    phase = plane(s.chance.uniform("ribs", 0, 2 * np.pi, s.n))
    pitch = plane(25 + 2 * s.chance.normal("pitch", s.n))
    behind = np.cos(pitch * (s.y - 0.42 * (out - 0.25) ** 2 - 0.10 * out) + phase)
    front = np.cos(22 * (s.y + 0.55 * out**1.5) - 1.3 * phase)
    ribs = cage * (0.075 * np.clip(behind - 0.1, 0, 1) + 0.035 * np.clip(front - 0.2, 0, 1))
    collar = np.exp(-(((s.y + 0.60 + 0.16 * (out - 0.35)) / 0.035) ** 2))
    collar = 0.10 * collar * soft(0.72 - out, 0.2, s.size) * soft(out - 0.12, 0.1, s.size)
    return np.asarray(plane(np.exp(0.25 * s.traits[:, 5])) * (ribs + collar))


def _vessels(s: Sitting) -> Plane:
    """The hilum, and branching shadows that fade away from it."""
    out = np.abs(s.x)
    lines = [
        np.clip(0.65 - np.abs(s.chance.field(f"vessels {k}", s.n, s.size, k)), 0, 1)
        for k in (9, 16)
    ]
    near = np.exp(-(((out - 0.22) / 0.22) ** 2) - ((s.y + 0.02) / 0.42) ** 2)
    hilum = np.exp(-(((out - 0.21) / 0.08) ** 2) - ((s.y + 0.03) / 0.15) ** 2)
    amount = plane(np.exp(0.35 * s.chance.normal("markings", s.n)))
    return np.asarray(amount * (0.24 * near * (lines[0] + 0.7 * lines[1]) + 0.15 * hilum))


def _shadows(s: Sitting, label: int, lungs: Sequence[Plane]) -> Plane:
    """What the class is about, and, on every film, patches that mean nothing."""
    shadows = np.zeros_like(lungs[0])
    for k in range(N_HARMLESS):
        x = s.chance.uniform(f"harmless {k} x", -0.8, 0.8, s.n)
        shadows += (lungs[0] + lungs[1]) * _patch(
            s, f"harmless {k}", x, radius=(0.10, 0.35), contrast=(0.0, 0.08)
        )
    if label == PNEUMONIA:
        right = s.chance.uniform("side", 0, 1, s.n) < 0.5
        x = np.where(right, -1, 1) * s.chance.uniform("cloud x", 0.25, 0.62, s.n)
        lung = np.where(plane(right) > 0, *lungs)
        shadows += lung * _patch(s, "cloud", x, radius=(0.18, 0.42), contrast=(0.6, 2.0))
    if label == COVID:
        for k in range(N_PATCHES):
            x = SIDES[k % 2] * s.chance.uniform(f"patch {k} x", 0.42, 0.72, s.n)
            shadows += lungs[k % 2] * _patch(
                s, f"patch {k}", x, radius=(0.11, 0.24), contrast=(0.2, 1.0)
            )
    shadows *= np.clip(0.65 + 0.35 * s.chance.field("fluff", s.n, s.size, 8), 0.1, 1.5)
    return np.asarray(0.5 * (1 - np.exp(-2 * shadows)))  # fluid takes the place of air, and no more


def _patch(
    s: Sitting, name: str, x: Values, *, radius: tuple[float, float], contrast: tuple[float, float]
) -> Plane:
    y = s.chance.uniform(f"{name} y", -0.45, 0.42, s.n)
    at = (s.x + 1j * s.y - plane(x + 1j * y)) * plane(s.chance.turn(f"{name} turn", s.n))
    wide, high = (
        plane(s.chance.uniform(f"{name} {side}", *radius, s.n)) for side in ("width", "height")
    )
    strength = plane(s.chance.uniform(f"{name} contrast", *contrast, s.n))
    return np.asarray(strength * np.exp(-((at.real / wide) ** 2) - (at.imag / high) ** 2))


def _window(s: Sitting) -> Plane:
    """The collimator's opening: what lies outside of it stays dark."""
    at = grid(s.size)
    top, bottom, left, right = (
        plane(s.chance.uniform(f"window {k}", 0.78, 1.06, s.n)) for k in range(4)
    )
    inside = np.minimum(
        np.minimum(top + at.imag, bottom - at.imag), np.minimum(left + at.real, right - at.real)
    )
    return soft(inside, 0.02, s.size)


def _developed(s: Sitting, film: Plane) -> Images:
    """Expose the film: contrast differs between patients and between films."""
    contrast = plane(1.3 * np.exp(0.10 * s.traits[:, 5] + 0.06 * s.chance.normal("contrast", s.n)))
    light = np.clip(
        contrast * film * _window(s) + plane(0.04 + 0.03 * s.chance.normal("light", s.n)), 0, None
    )
    light = (light / (1 + 0.28 * light)).astype(np.float32)
    return expose(
        s.chance, light[:, None], blur=s.chance.uniform("focus", 0.0, 0.6, s.n), noise=0.022
    )
