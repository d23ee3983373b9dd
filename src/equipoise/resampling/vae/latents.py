"""Where in a latent space new images of a class come from, by name."""

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
    """The normal distributions to which an encoder maps the training images.

    Attributes:
        mean: (n, d) of each image.
        log_variance: (n, d) of each image.
        codes: (n,) classes.
    """

    mean: Latents
    log_variance: Latents
    codes: Labels


@dataclass(frozen=True)
class LatentRequest:
    """Which latents to draw.

    Attributes:
        code: The class.
        n: Number of latents.
        seed: Of their random streams.
        temperature: Factor of standard deviations; 0 gives means.
    """

    code: int
    n: int
    seed: int
    temperature: float

    def noise(self, d: int, purpose: str = "noise") -> Latents:
        """Draw (n, d) from N(0, temperature^2); the first rows do not depend on n."""
        normal = make_rng(self.seed, purpose, self.code).standard_normal(
            (self.n, d), dtype=np.float32
        )
        return normal * np.float32(self.temperature)


@dataclass(frozen=True)
class LatentSample:
    """Latents, and where they come from.

    Attributes:
        latents: (n, d).
        sources: (n, s) rows of the training images behind each; s is 0 where none is.
    """

    latents: Latents
    sources: Rows


Mode = Callable[[Encoded, LatentRequest], LatentSample]


def posterior(encoded: Encoded, request: LatentRequest) -> LatentSample:
    """Draw around one image of the class each, every image equally often up to one (paper S0)."""
    rows = _rows_in_turn(encoded, request)
    return LatentSample(_draw_around(encoded, rows, request), rows[:, None])


def between(encoded: Encoded, request: LatentRequest) -> LatentSample:
    """Draw from the line between latents around two images of the class, the first in turn."""
    first = _rows_in_turn(encoded, request)
    rows = np.flatnonzero(encoded.codes == request.code)
    rng = make_rng(request.seed, "partners", request.code)
    uniform = rng.random((request.n, 2), dtype=np.float32)
    offset = 1 + (uniform[:, 0] * (len(rows) - 1)).astype(np.int64)
    second = rows[(np.searchsorted(rows, first) + offset) % len(rows)]  # never the first itself
    start = _draw_around(encoded, first, request)
    end = _draw_around(encoded, second, request, "second noise")
    share = uniform[:, 1:]  # (n, 1)
    return LatentSample((1 - share) * start + share * end, np.stack([first, second], axis=1))


def class_gaussian(encoded: Encoded, request: LatentRequest) -> LatentSample:
    """Draw from one normal distribution with the mean and variance of the class, cell by cell."""
    members = encoded.codes == request.code
    mean, spread = encoded.mean[members], np.exp(encoded.log_variance[members])
    deviation = np.sqrt(mean.var(axis=0) + spread.mean(axis=0))
    latents = mean.mean(axis=0) + deviation * request.noise(mean.shape[1])
    return LatentSample(latents, _no_sources(request))


def prior(encoded: Encoded, request: LatentRequest) -> LatentSample:
    """Draw from N(0, 1), whatever the class: the images show any class. For comparison only."""
    return LatentSample(request.noise(encoded.mean.shape[1]), _no_sources(request))


def neighbors(name: str) -> Mode:
    """Return the mode that interpolates between means of near images, by its name."""

    def mode(encoded: Encoded, request: LatentRequest) -> LatentSample:
        wanted = {request.code: request.n}
        latents, _ = interpolate(name, encoded.mean, encoded.codes, wanted, request.seed)
        return LatentSample(latents, _no_sources(request))

    mode.__doc__ = f"Draw between means of neighboring images of the class ({name})."
    return mode


MODES: dict[str, Mode] = {
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


def _rows_in_turn(encoded: Encoded, request: LatentRequest) -> Rows:
    """Walk through the images of the class in shuffled order, reshuffled after each pass."""
    rows = np.flatnonzero(encoded.codes == request.code)
    orders = []
    for number in range(-(-request.n // len(rows))):
        orders.append(make_rng(request.seed, "sources", request.code, number).permutation(rows))
    return np.concatenate(orders)[: request.n]


def _draw_around(
    encoded: Encoded, rows: Rows, request: LatentRequest, purpose: str = "noise"
) -> Latents:
    """Draw from the distributions of some images."""
    spread = np.exp(encoded.log_variance[rows] / 2)
    return np.asarray(encoded.mean[rows] + spread * request.noise(spread.shape[1], purpose))


def _no_sources(request: LatentRequest) -> Rows:
    return np.empty((request.n, 0), dtype=np.int64)
