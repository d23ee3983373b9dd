"""Draw frontal chest films: tissue along the ray adds up, air subtracts, exposure saturates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.phantoms.drawing import (
    NamedRandom,
    Plane,
    Values,
    expose,
    grid,
    plane,
    soft,
)

SIDES = (-1, 1)  # the patient's right lung is on the left of the film
PNEUMONIA, COVID = 1, 2  # labels; 0 is healthy
N_HARMLESS, N_PATCHES = 2, 6


@dataclass(frozen=True)
class FilmFrame:
    """Coordinates and random numbers that every part of a film is drawn from.

    Attributes:
        random: Draws what differs between films.
        traits: (n, 6) what differs between patients: length, breadth, chest, air, heart, exposure.
        y: Height in the body, -1 (neck) to 1 (belly), as the patient stands.
        x: Distance from the spine, negative on the patient's right.
        size: Side in pixels.
    """

    random: NamedRandom
    traits: NDArray[np.float32]
    y: Plane
    x: Plane
    size: int

    @property
    def n(self) -> int:
        """Number of films."""
        return len(self.traits)


def paint_films(
    random: NamedRandom, label: int, n_classes: int, traits: NDArray[np.float32], size: int
) -> Images:
    """Draw films, (n, 1, size, size) uint8.

    A film has a cloud in one lung (label 1), or fainter patches at the outer border of both (label
    2), whatever the number of classes; every film has harmless shadows too. The patient's traits
    set build, heart and exposure. No two films are taken from quite the same position.
    """
    n = len(traits)
    at = grid(size) * plane(np.exp(0.07j * random.normal("tilt", n)))
    at = at - plane(random.point("center", n, 0.08))
    length = plane(np.exp(0.08 * traits[:, 0] + 0.08 * random.normal("breath", n)))
    breadth = plane(np.exp(0.08 * traits[:, 1] + 0.05 * random.normal("turn", n)))
    frame = FilmFrame(random, traits, at.imag / length, at.real / breadth, size)
    mediastinum = _mediastinum(frame)
    lungs = [_lung(frame, side) * (1 - mediastinum) for side in SIDES]
    air = lungs[0] + lungs[1]
    film = _trunk(frame) + 0.09 * mediastinum + _spine(frame) + _bones(frame)
    uneven = 1 + 0.09 * random.field("air", n, size, 6)
    film -= plane(0.50 + 0.05 * traits[:, 3]) * air * uneven
    film += _vessels(frame) * air + _shadows(frame, label, lungs)
    return _develop(frame, film)


def _trunk(f: FilmFrame) -> Plane:
    """Neck, shoulders and trunk, of uneven tissue."""
    tissue = 0.60 + 0.10 * f.y - 0.10 * f.x**2 + 0.03 * f.random.field("tissue", f.n, f.size, 9)
    width = 0.33 + 0.59 * soft(f.y + 0.72 - 0.05 * plane(f.traits[:, 2]), 0.42, f.size)
    return np.asarray(soft(width - np.abs(f.x), 0.10, f.size) * tissue)


def _lung(f: FilmFrame, side: int) -> Plane:
    """Share of air: between apex, outer wall, mediastinum and diaphragm."""
    out = f.x * side
    apex = plane(-0.80 + 0.04 * f.random.normal(f"apex {side}", f.n))
    base = plane((0.42 if side < 0 else 0.50) + 0.08 * f.random.normal(f"base {side}", f.n))
    depth = np.clip((f.y - apex) / (base - apex), 0, 1)
    outer = 0.03 + (0.76 + 0.03 * plane(f.traits[:, 2])) * np.sqrt(1 - (1 - depth) ** 2.6)
    dome = base - 0.10 + 0.55 * (out - 0.36) ** 2
    inside = np.minimum(np.minimum(outer - out, out - 0.13), np.minimum(f.y - apex, dome - f.y))
    return soft(inside, 0.09, f.size)


def _mediastinum(f: FilmFrame) -> Plane:
    """Share of the air that great vessels, heart and aortic knob displace."""
    vessels = soft(0.16 + 0.05 * f.y - np.abs(f.x - 0.02), 0.12, f.size)
    vessels = vessels * soft(f.y + 0.95, 0.4, f.size)
    center = 0.16 + 0.02 * f.traits[:, 4] + 0.24j
    axis = np.exp(1j * (0.5 + 0.12 * f.random.normal("heart", f.n)))
    at = (f.x + 1j * f.y - plane(center)) * np.conj(plane(axis))
    breadth = plane(0.37 * np.exp(0.12 * f.traits[:, 4]))
    heart = soft(1 - np.hypot(at.real / breadth, at.imag / 0.27), 0.32, f.size)
    knob = soft(1 - np.hypot((f.x - 0.15) / 0.11, (f.y + 0.30) / 0.13), 0.6, f.size)
    return np.asarray(1 - (1 - vessels) * (1 - heart) * (1 - 0.9 * knob))


def _spine(f: FilmFrame) -> Plane:
    """Vertebrae, less the air in the trachea before them."""
    vertebrae = 0.11 + 0.018 * np.cos(24 * f.y)
    bone = soft(0.10 - np.abs(f.x), 0.09, f.size) * vertebrae * soft(0.7 - f.y, 1.2, f.size)
    trachea = 0.10 * soft(0.055 - np.abs(f.x - 0.01), 0.06, f.size)
    trachea = trachea * soft(-0.28 - f.y, 0.15, f.size)
    return np.asarray(bone - trachea)


def _bones(f: FilmFrame) -> Plane:
    """Bright posterior ribs that fall outward, faint anterior ones that rise, and collarbones."""
    out = np.abs(f.x)
    cage = soft(0.82 - out, 0.12, f.size) * soft(out - 0.10, 0.12, f.size)
    cage = cage * soft(f.y + 0.86, 0.2, f.size) * soft(0.5 - f.y, 0.3, f.size)
    phase = plane(f.random.uniform("ribs", 0, 2 * np.pi, f.n))
    pitch = plane(25 + 2 * f.random.normal("pitch", f.n))
    posterior = np.cos(pitch * (f.y - 0.42 * (out - 0.25) ** 2 - 0.10 * out) + phase)
    anterior = np.cos(22 * (f.y + 0.55 * out**1.5) - 1.3 * phase)
    ribs = cage * (0.075 * np.clip(posterior - 0.1, 0, 1) + 0.035 * np.clip(anterior - 0.2, 0, 1))
    collar = np.exp(-(((f.y + 0.60 + 0.16 * (out - 0.35)) / 0.035) ** 2))
    collar = 0.10 * collar * soft(0.72 - out, 0.2, f.size) * soft(out - 0.12, 0.1, f.size)
    return np.asarray(plane(np.exp(0.25 * f.traits[:, 5])) * (ribs + collar))


def _vessels(f: FilmFrame) -> Plane:
    """The hilum, and branching shadows that fade away from it."""
    out = np.abs(f.x)
    coarse = np.clip(0.65 - np.abs(f.random.field("vessels 9", f.n, f.size, 9)), 0, 1)
    fine = np.clip(0.65 - np.abs(f.random.field("vessels 16", f.n, f.size, 16)), 0, 1)
    near = np.exp(-(((out - 0.22) / 0.22) ** 2) - ((f.y + 0.02) / 0.42) ** 2)
    hilum = np.exp(-(((out - 0.21) / 0.08) ** 2) - ((f.y + 0.03) / 0.15) ** 2)
    amount = plane(np.exp(0.35 * f.random.normal("markings", f.n)))
    return np.asarray(amount * (0.24 * near * (coarse + 0.7 * fine) + 0.15 * hilum))


def _shadows(f: FilmFrame, label: int, lungs: Sequence[Plane]) -> Plane:
    """The shadows of the class, and, on every film, patches that mean nothing."""
    shadows = np.zeros_like(lungs[0])
    for k in range(N_HARMLESS):
        x = f.random.uniform(f"harmless {k} x", -0.8, 0.8, f.n)
        patch = _patch(f, f"harmless {k}", x, radius=(0.10, 0.35), contrast=(0.0, 0.08))
        shadows += (lungs[0] + lungs[1]) * patch
    if label == PNEUMONIA:
        right = f.random.uniform("side", 0, 1, f.n) < 0.5
        x = np.where(right, -1, 1) * f.random.uniform("cloud x", 0.25, 0.62, f.n)
        lung = np.where(plane(right) > 0, *lungs)
        shadows += lung * _patch(f, "cloud", x, radius=(0.18, 0.42), contrast=(0.6, 2.0))
    if label == COVID:
        for k in range(N_PATCHES):
            x = SIDES[k % 2] * f.random.uniform(f"patch {k} x", 0.42, 0.72, f.n)
            patch = _patch(f, f"patch {k}", x, radius=(0.11, 0.24), contrast=(0.2, 1.0))
            shadows += lungs[k % 2] * patch
    shadows *= np.clip(0.65 + 0.35 * f.random.field("fluff", f.n, f.size, 8), 0.1, 1.5)
    return np.asarray(0.5 * (1 - np.exp(-2 * shadows)))  # fluid takes the place of air, and no more


def _patch(
    f: FilmFrame,
    name: str,
    x: Values,
    *,
    radius: tuple[float, float],
    contrast: tuple[float, float],
) -> Plane:
    """A Gaussian ellipse at x, at a random height."""
    y = f.random.uniform(f"{name} y", -0.45, 0.42, f.n)
    at = (f.x + 1j * f.y - plane(x + 1j * y)) * plane(f.random.direction(f"{name} turn", f.n))
    width = plane(f.random.uniform(f"{name} width", *radius, f.n))
    height = plane(f.random.uniform(f"{name} height", *radius, f.n))
    strength = plane(f.random.uniform(f"{name} contrast", *contrast, f.n))
    return np.asarray(strength * np.exp(-((at.real / width) ** 2) - (at.imag / height) ** 2))


def _develop(f: FilmFrame, film: Plane) -> Images:
    """Expose the film inside the collimator's opening; contrast differs by patient and film."""
    at = grid(f.size)
    top, bottom, left, right = (
        plane(f.random.uniform(f"window {k}", 0.78, 1.06, f.n)) for k in range(4)
    )
    inside_y = np.minimum(top + at.imag, bottom - at.imag)
    inside_x = np.minimum(left + at.real, right - at.real)
    window = soft(np.minimum(inside_y, inside_x), 0.02, f.size)
    spread = 0.10 * f.traits[:, 5] + 0.06 * f.random.normal("contrast", f.n)
    contrast = plane(1.3 * np.exp(spread))
    fog = plane(0.04 + 0.03 * f.random.normal("light", f.n))
    light = np.clip(contrast * film * window + fog, 0, None)
    light = (light / (1 + 0.28 * light)).astype(np.float32)
    blur = f.random.uniform("focus", 0.0, 0.6, f.n)
    return expose(f.random, light[:, None], blur=blur, noise=0.022)
