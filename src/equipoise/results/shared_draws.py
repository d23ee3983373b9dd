"""Draws of test patients that all cells of a study share."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Values
from equipoise.randomness import make_rng

# Weights in one block: more leave the processor's cache and take twice as long. A draw depends on
# the size of its block, so that another number would be another bootstrap.
WEIGHTS_PER_BLOCK = 2**17
MOST_WEIGHTS = 2**23  # that stay in memory; more are drawn again for each group of cells
FEWEST_ROWS = 16  # draws at once: with fewer, each would pay for reading the images


class DrawWeights(Protocol):
    """Draws weights of patients, block by block; see `equipoise.metrics.statistics`."""

    def __call__(self, rng: np.random.Generator, *, n_draws: int, block: int) -> Iterator[Values]:
        """Yield blocks of weights (at most `block`, m) that add up to `n_draws` rows."""
        ...


class SharedDraws:
    """Weights of patients under a number of draws, the same however often they are requested.

    Args:
        draw: What draws them.
        stream: Name of the random stream.
        patients: (m,) sorted codes of the patients.
        n_draws: Number of draws.
        n_images: Most images of which weights are requested at once.
    """

    def __init__(
        self,
        draw: DrawWeights,
        stream: str,
        patients: NDArray[np.int64],
        *,
        n_draws: int,
        n_images: int,
    ) -> None:
        self._draw = draw
        self._stream = stream
        self._patients = patients
        self._n_draws = n_draws
        self._block = max(1, WEIGHTS_PER_BLOCK // max(len(patients), n_images))
        self._rows = max(FEWEST_ROWS, self._block, WEIGHTS_PER_BLOCK // n_images)
        self._stored: list[Values] | None = None

    def of_images(self, patients: NDArray[np.int64]) -> Iterator[tuple[slice, Values]]:
        """Yield positions of draws, and the weights (draws, n) of images under these.

        Args:
            patients: (n,) patient of each image.
        """
        columns = np.searchsorted(self._patients, patients)
        start = 0
        for by_patient in self._by_patient():  # (m, draws)
            stop = start + by_patient.shape[1]
            # Image by image in memory, as areas under curves are computed.
            yield slice(start, stop), by_patient[columns].T
            start = stop

    def _by_patient(self) -> Iterator[Values]:
        """Yield weights (m, draws) that add up to all draws."""
        if self._stored is not None:
            yield from self._stored
            return
        stored = []
        for weights in self._stacked():
            by_patient = np.ascontiguousarray(weights.T)
            if self._n_draws * len(self._patients) <= MOST_WEIGHTS:
                stored.append(by_patient)
            yield by_patient
        self._stored = stored or None

    def _stacked(self) -> Iterator[Values]:
        """Yield the drawn blocks, small ones joined to at least `self._rows` draws."""
        blocks: list[Values] = []
        rng = make_rng(self._stream)
        for weights in self._draw(rng, n_draws=self._n_draws, block=self._block):
            blocks.append(weights)
            if sum(map(len, blocks)) >= self._rows:
                yield np.concatenate(blocks)
                blocks = []
        if blocks:
            yield np.concatenate(blocks)
