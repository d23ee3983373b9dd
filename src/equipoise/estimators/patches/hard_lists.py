"""Lists of voxels that the network finds hard, and the stream that draws from them first."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import (
    Classes,
    PatchStream,
    PredictVoxels,
    StateDict,
    VoxelSample,
)
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas
from equipoise.exceptions import DivergedError
from equipoise.randomness import make_rng

HardLists = dict[int, Positions]  # class -> its hard voxels (m, 4), in the order of serving
NOT_STARTED = -1  # the epoch after a rebuild has not drawn its first step yet


class MinedVoxels(NamedTuple):
    """The hard lists of the next epoch, and statistics for the training history."""

    lists: HardLists
    statistics: dict[str, float]


# the current lists -> those of the next epoch
Mine = Callable[[HardLists, np.random.Generator, PredictVoxels], MinedVoxels]


class ListOptions(NamedTuple):
    """How the places of a class are filled from its hard list.

    Attributes:
        fraction: Largest share of the places of a class that its list fills, 0 to 1.
        replace: Whether to draw with replacement, so that a list is never exhausted.
    """

    fraction: float
    replace: bool


class HardPatchStream(PatchStream):
    """Fill the places of each class from its hard list first, then with balanced draws.

    A list is served from its start, each voxel once per epoch. There is none before the first
    `rebuild`. An epoch starts with the first step that is drawn after `rebuild`.

    Args:
        pool: Voxels to draw from.
        quotas: Places of each class.
        mine: Builds the lists of an epoch.
        options: How places are filled from the lists.
        size: Side of a patch in px.
        jitter: See `PatchSampler.start`.
        seed: Seed of all random draws.
    """

    def __init__(
        self,
        pool: VoxelPool,
        quotas: Quotas,
        mine: Mine,
        options: ListOptions,
        *,
        size: int,
        jitter: int,
        seed: int,
    ) -> None:
        super().__init__(
            self._fill_places, pool.dataset, n=quotas.n, size=size, jitter=jitter, seed=seed
        )
        self._pool = pool
        self._quotas = quotas
        self._mine = mine
        self._options = options
        self._lists: HardLists = {}
        self._first_step = NOT_STARTED

    def rebuild(self, epoch: int, predict: PredictVoxels) -> dict[str, float]:
        """Let the network predict candidates and build the lists of the next epoch."""
        mined = self._mine(self._lists, make_rng(self._seed, "candidates", epoch), predict)
        rng = make_rng(self._seed, "order of hard voxels", epoch)
        self._lists = {}
        for code, voxels in mined.lists.items():
            if len(voxels):
                self._lists[code] = rng.permutation(voxels)
        self._first_step = NOT_STARTED
        return mined.statistics

    def state_dict(self) -> StateDict:
        """Return the lists and the first step of the epoch."""
        lists = {}
        for code, voxels in self._lists.items():
            lists[code] = torch.from_numpy(voxels.astype(np.int32))
        return {"first_step": self._first_step, "lists": lists}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the lists and the first step of the epoch."""
        self._first_step = int(state["first_step"])
        self._lists = {}
        for code, voxels in state["lists"].items():
            self._lists[int(code)] = voxels.numpy().astype(np.int64)

    def _fill_places(self, rng: np.random.Generator, step: int) -> VoxelSample:
        """Draw the hard voxels of the step, and balanced voxels for the remaining places."""
        if self._first_step == NOT_STARTED:
            self._first_step = step
        places = self._quotas(np.array([step]))[0]  # (k,)
        served_before = self._hard_places(self._quotas(np.arange(self._first_step, step)))
        starts = served_before.sum(axis=0)  # (k,)
        sizes = self._hard_places(places)  # (k,)
        samples = []
        remaining = places.copy()
        for code, voxels in self._lists.items():
            if self._options.replace:
                hard = np.asarray(voxels[rng.integers(len(voxels), size=sizes[code])])
            else:
                hard = np.asarray(voxels[starts[code] : starts[code] + sizes[code]])
            samples.append(VoxelSample(hard, np.full(len(hard), code, dtype=np.int64)))
            remaining[code] -= len(hard)
        samples.append(self._pool.of_classes(rng, np.repeat(np.arange(len(places)), remaining)))
        return VoxelSample(
            np.concatenate([sample.voxels for sample in samples]),
            np.concatenate([sample.classes for sample in samples]),
        )

    def _hard_places(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places that hard voxels may take: floor(fraction * places)."""
        share = self._options.fraction * places
        return np.asarray(np.floor(share + 1e-9), dtype=np.int64)  # 0.29 * 100 rounds to below 29


def is_hard(
    probabilities: NDArray[np.floating[Any]], classes: Classes, threshold: float
) -> NDArray[np.bool_]:
    """Return (m,) True where a voxel is misclassified, or correct with p(true) < threshold.

    Args:
        probabilities: (m, k) of the network.
        classes: (m,) true classes.
        threshold: A probability of exactly this much is not hard; at 0 only errors are.

    Raises:
        DivergedError: A probability is NaN or infinite.

    Source: Small and Ventura (2017), with 0.75.
    """
    if not np.isfinite(probabilities).all():
        raise DivergedError(
            "Expected finite probabilities of candidate patches, got NaN. Lower the learning rate."
        )
    of_truth = probabilities[np.arange(len(classes)), classes]
    return np.asarray((probabilities.argmax(axis=1) != classes) | (of_truth < threshold))


def is_interior(dataset: VolumeDataset, voxels: Positions) -> NDArray[np.bool_]:
    """Return (m,) True where the 8 neighbors of a voxel (m, 4) in its slice are of its class."""
    labels = dataset.patches(voxels, 3)[1].reshape(len(voxels), -1)  # (m, 9)
    return np.asarray((labels == labels[:, 4:5]).all(axis=1))
