"""Tools to draw phantoms: named random numbers, soft shapes, smooth random fields, many at once.

Shapes live on the square from -1 to 1, y downward.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equipoise.arrays import Images
from equipoise.randomness import make_rng

Values = NDArray[np.floating[Any]]  # (n,), one number per image
Plane = NDArray[np.floating[Any]]  # (n, size, size), or what broadcasts to it
Points = NDArray[np.complex64]  # the same, x + iy
Solid = NDArray[np.floating[Any]]  # (z, y, x), one volume


class NamedRandom:
    """Random numbers by name: the first n of a name are the same however many are drawn.

    Example:
        >>> random = NamedRandom(0, "cells")
        >>> bool((random.normal("size", 3) == random.normal("size", 5)[:3]).all())
        True
    """

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def normal(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Draw standard normal numbers."""
        return make_rng(*self.parts, name).standard_normal(shape, dtype=np.float32)

    def uniform(self, name: str, low: float, high: float, *shape: int) -> NDArray[np.float32]:
        """Draw numbers between `low` and `high`."""
        unit = make_rng(*self.parts, name).random(shape, dtype=np.float32)
        return np.float32(low) + np.float32(high - low) * unit

    def point(self, name: str, n: int, spread: float) -> NDArray[np.complex64]:
        """Draw points x + iy around the origin, of standard deviation `spread` along each axis."""
        return np.asarray(np.float32(spread) * self.normal(name, n, 2).view(np.complex64)[:, 0])

    def direction(self, name: str, n: int) -> NDArray[np.complex64]:
        """Draw directions: points on the unit circle."""
        return np.asarray(np.exp(1j * self.uniform(name, 0, 2 * np.pi, n)), dtype=np.complex64)

    def field(self, name: str, n: int, size: int, bumps: int) -> Plane:
        """Draw n smooth fields of mean 0 and standard deviation 1.

        Each side has about `bumps` hills and valleys.
        """
        weights = _interpolation(size, bumps + 2)
        knots = self.normal(name, n, bumps + 2, bumps + 2)
        return np.asarray(weights @ knots @ weights.T, dtype=np.float32)

    def solid(self, name: str, shape: tuple[int, int, int], bumps: tuple[int, int, int]) -> Solid:
        """Draw one smooth field in space, (z, y, x), of mean 0 and standard deviation 1.

        The axes have about `bumps` hills and valleys.
        """
        n_z, n_y, n_x = (n + 2 for n in bumps)
        z = _interpolation(shape[0], n_z)
        y = _interpolation(shape[1], n_y)
        x = _interpolation(shape[2], n_x)
        knots = self.normal(name, n_z, n_y, n_x)
        field = np.einsum("zc,yb,xa,cba->zyx", z, y, x, knots, optimize=True)
        return np.asarray(field, dtype=np.float32)


def plane(values: NDArray[Any]) -> NDArray[Any]:
    """Return one number per image as a plane, (n, 1, 1), in single precision."""
    kind = np.complex64 if np.iscomplexobj(values) else np.float32
    return values.astype(kind).reshape(-1, 1, 1)


def grid(size: int) -> Points:
    """Return the pixel centers, (1, size, size), as x + iy.

    A shift is then a difference, a rotation is a product.

    Example:
        >>> grid(2)[0].tolist()
        [[(-0.5-0.5j), (0.5-0.5j)], [(-0.5+0.5j), (0.5+0.5j)]]
    """
    axis = (np.arange(size) + 0.5) * (2 / size) - 1
    return np.asarray((axis[None, :] + 1j * axis[:, None])[None], dtype=np.complex64)


def stretched(points: Points, stretch: Values) -> Points:
    """Stretch what is drawn at the points along x and, by as much, compress it along y."""
    x, y = points.real / plane(stretch), points.imag * plane(stretch)
    return np.asarray(x + 1j * y, dtype=np.complex64)


def soft(distance: Plane, width: float, size: int) -> Plane:
    """Fill a shape with a soft edge: 0 outside, 1 inside, where the signed distance is positive.

    The edge has `width`, or one pixel if that is more.
    """
    t = np.clip(distance / np.float32(max(width, 2 / size)) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def outline(points: Points, radius: Values, waves: NDArray[np.float32]) -> Plane:
    """Return the approximate signed distance to a closed wavy line around the origin.

    It is positive inside.

    Args:
        points: Where to measure.
        radius: Mean radius.
        waves: (n, m, 2) cosine and sine parts of 2, 3, ... waves around the line, as shares of the
            radius.
    """
    distance = np.abs(points) + np.float32(1e-6)
    direction = points / distance  # its powers are the waves; far cheaper than angles
    power, ripple = direction, np.ones_like(distance)
    for wave in range(waves.shape[1]):
        power = power * direction
        cosine, sine = plane(waves[:, wave, 0]), plane(waves[:, wave, 1])
        ripple = ripple + cosine * power.real + sine * power.imag
    return np.asarray(plane(radius) * ripple - distance, dtype=np.float32)


def expose(
    random: NamedRandom, light: NDArray[np.float32], *, blur: Values, noise: float
) -> Images:
    """Convert light (n, c, size, size), 0 to 1, to bytes, as by a blurred lens and a noisy camera.

    Args:
        random: Draws the noise.
        light: What the camera receives.
        blur: Share of the blurred picture, 0 to 1.
        noise: Standard deviation.
    """
    width = 1.2 * light.shape[-1] / 64
    share = blur.astype(np.float32).reshape(-1, 1, 1, 1)
    blurred = gaussian_filter(light, (0, 0, width, width), truncate=2.5)
    received = light + share * (blurred - light)
    received += np.float32(noise) * random.normal("noise", *received.shape)
    return np.asarray(np.rint(np.clip(received, 0, 1) * 255), dtype=np.uint8)


def _interpolation(size: int, knots: int) -> NDArray[np.float32]:
    """Return weights (size, knots) of Gaussian bumps.

    Each row has norm 1, so that noise at the knots keeps its standard deviation.
    """
    position = (np.arange(size) + 0.5) / size * (knots - 2) + 0.5
    weights = np.exp(-0.5 * ((position[:, None] - np.arange(knots)) / 0.55) ** 2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), dtype=np.float32)
