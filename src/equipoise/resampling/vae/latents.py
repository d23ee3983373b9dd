"""Where in a latent space new images of a class come from, by name (methods 3.5)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows
from equipoise.data.smote import INTERPOLATIONS, interpolate
from equipoise.discovery import Family
from equipoise.randomness import make_rng

Latents = NDArray[np.float32]  # (n, d)


@dataclass(frozen=True)
class Encoded:
    """What the encoder says of the training images.

    Attributes:
        mean: (n, d) of the normal distribution of each image.
        log_variance: (n, d) of it.
        codes: (n,) classes.
    """

    mean: Latents
    log_variance: Latents
    codes: Labels


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        code: The class.
        n: Number of latents.
        seed: Of their chance.
        temperature: Factor of standard deviations; 0 gives means.
    """

    code: int
    n: int
    seed: int
    temperature: float

    def noise(self, d: int, purpose: str = "noise") -> Latents:
        """Draw (n, d) from N(0, temperature^2); the first rows are the same however many are asked for."""
        normal = make_rng(self.seed, purpose, self.code).standard_normal(
            (self.n, d), dtype=np.float32
        )
        return normal * np.float32(self.temperature)


Drawn = tuple[Latents, Rows]  # and the (n, s) rows of the training images behind each


def posterior(encoded: Encoded, wish: Wish) -> Drawn:
    """Around one image of the class each: every image is used as often as any other, up to one (paper S0)."""
    rows = _in_turn(encoded, wish)
    return _around(encoded, rows, wish), rows[:, None]


def between(encoded: Encoded, wish: Wish) -> Drawn:
    """Anywhere on the line between latents drawn around two images of the class, the first ones in turn."""
    first = _in_turn(encoded, wish)
    rows = np.flatnonzero(encoded.codes == wish.code)
    chance = make_rng(wish.seed, "partners", wish.code).random((wish.n, 2), dtype=np.float32)
    away, shares = 1 + (chance[:, 0] * (len(rows) - 1)).astype(np.int64), chance[:, 1:]
    second = rows[(np.searchsorted(rows, first) + away) % len(rows)]  # never the first itself
    ends = _around(encoded, first, wish), _around(encoded, second, wish, "second noise")
    return (1 - shares) * ends[0] + shares * ends[1], np.stack([first, second], axis=1)


def class_gaussian(encoded: Encoded, wish: Wish) -> Drawn:
    """From one normal distribution with the mean and the variance, cell by cell, of all images of the class."""
    members = encoded.codes == wish.code
    mean, spread = encoded.mean[members], np.exp(encoded.log_variance[members])
    deviation = np.sqrt(mean.var(axis=0) + spread.mean(axis=0))
    return mean.mean(axis=0) + deviation * wish.noise(mean.shape[1]), _unknown(wish)


def prior(encoded: Encoded, wish: Wish) -> Drawn:
    """From N(0, 1), whatever the class: the images show any class. Only for comparison."""
    return wish.noise(encoded.mean.shape[1]), _unknown(wish)


def neighbors(name: str) -> Callable[[Encoded, Wish], Drawn]:
    """Make the mode that puts new points between the means of near images, by a name of `INTERPOLATIONS`."""

    def drawn(encoded: Encoded, wish: Wish) -> Drawn:
        latents, _ = interpolate(name, encoded.mean, encoded.codes, {wish.code: wish.n}, wish.seed)
        return latents, _unknown(wish)

    return drawn


MODES: dict[str, Callable[[Encoded, Wish], Drawn]] = {
    "posterior": posterior,
    "interpolate": between,
    "class_gaussian": class_gaussian,
    "prior": prior,
    **{name: neighbors(name) for name in INTERPOLATIONS},
}
FAMILY = Family(
    name="latent_modes",
    summary="Ways of drawing latents of a VAE.",
    members=MODES,
)


def _in_turn(encoded: Encoded, wish: Wish) -> Rows:
    """Walk through the images of the class in shuffled order, again and again in a new order."""
    rows = np.flatnonzero(encoded.codes == wish.code)
    passes = range(-(-wish.n // len(rows)))
    orders = [
        make_rng(wish.seed, "sources", wish.code, number).permutation(rows) for number in passes
    ]
    return np.concatenate(orders)[: wish.n]


def _around(encoded: Encoded, rows: Rows, wish: Wish, purpose: str = "noise") -> Latents:
    """Draw from the distributions of some images."""
    spread = np.exp(encoded.log_variance[rows] / 2)
    return np.asarray(encoded.mean[rows] + spread * wish.noise(spread.shape[1], purpose))


def _unknown(wish: Wish) -> Rows:
    return np.empty((wish.n, 0), dtype=np.int64)
