"""Lists of voxels that the network finds hard, and the drawing that serves from them first."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Chosen, Classes, Drawing, Judge
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas
from equipoise.exceptions import DivergedError
from equipoise.randomness import make_rng

Lists = dict[
    int, Positions
]  # class -> its hard voxels (m, 4), in the order in which they are served
NO_EPOCH = -1


class Learned(NamedTuple):
    """The lists of the next epoch, and what is worth writing down about them."""

    lists: Lists
    facts: dict[str, float]


Learn = Callable[[Lists, np.random.Generator, Judge], Learned]  # the lists so far -> the new ones


class Filling(NamedTuple):
    """Largest share of a class's places that its hard list fills, and whether a list is drawn with replacement.

    With replacement it is never exhausted (methods A.6, `hard_replace`).
    """

    fraction: float
    replace: bool


class HardDrawing(Drawing):
    """Fills the places of each class from its hard list first, then with balanced draws.

    A list is served from its beginning, each voxel once in an epoch. Before the first `rebuild` there is none.
    An epoch begins with the step that is asked for first after `rebuild`.

    Args:
        pool: Voxels to draw from.
        quotas: Places of each class.
        learn: Makes the lists of an epoch.
        filling: How places are filled from the lists.
        size: Pixels on a side of a patch.
        jitter: See `PatchSampler.start`.
        seed: Seed of the choice.
    """

    def __init__(
        self,
        pool: VoxelPool,
        quotas: Quotas,
        learn: Learn,
        filling: Filling,
        *,
        size: int,
        jitter: int,
        seed: int,
    ) -> None:
        super().__init__(self._serve, pool.dataset, n=quotas.n, size=size, jitter=jitter, seed=seed)
        self._pool, self._quotas, self._learn = pool, quotas, learn
        self._filling = filling
        self._lists: Lists = {}
        self._first_step = NO_EPOCH

    def rebuild(self, epoch: int, judge: Judge) -> dict[str, float]:
        """Ask the network about candidates, and make the lists of the next epoch."""
        learned = self._learn(self._lists, make_rng(self._seed, "candidates", epoch), judge)
        rng = make_rng(self._seed, "order of hard voxels", epoch)
        self._lists = {
            code: rng.permutation(hard) for code, hard in learned.lists.items() if len(hard)
        }
        self._first_step = NO_EPOCH
        return learned.facts

    def state_dict(self) -> dict[str, Any]:
        """Give the lists and where the epoch began."""
        lists = {
            code: torch.from_numpy(hard.astype(np.int32)) for code, hard in self._lists.items()
        }
        return {"first_step": self._first_step, "lists": lists}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the lists and where the epoch began."""
        self._first_step = int(state["first_step"])
        self._lists = {
            int(code): hard.numpy().astype(np.int64) for code, hard in state["lists"].items()
        }

    def _serve(self, rng: np.random.Generator, step: int) -> Chosen:
        """Take the hard voxels of the step, and balanced draws for the places that remain."""
        if self._first_step == NO_EPOCH:
            self._first_step = step
        places = self._quotas(np.array([step]))[0]
        served = self._capped(self._quotas(np.arange(self._first_step, step))).sum(axis=0)
        wanted = self._capped(places)
        hard = [self._pick(rng, code, served[code], wanted[code]) for code in self._lists]
        hard_classes = np.repeat(
            np.fromiter(self._lists, dtype=np.int64), [len(picked) for picked in hard]
        )
        rest = places - np.bincount(hard_classes, minlength=len(places))
        easy = self._pool.of_classes(rng, np.repeat(np.arange(len(places)), rest))
        return Chosen(
            np.concatenate([*hard, easy.voxels]), np.concatenate([hard_classes, easy.classes])
        )

    def _pick(self, rng: np.random.Generator, code: int, served: int, wanted: int) -> Positions:
        hard = self._lists[code]
        if self._filling.replace:
            return np.asarray(hard[rng.integers(len(hard), size=wanted)])
        return np.asarray(hard[served : served + wanted])

    def _capped(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        share = self._filling.fraction * places
        return np.asarray(
            np.floor(share + 1e-9), dtype=np.int64
        )  # 0.29 * 100 is a hair less than 29


def is_hard(
    probabilities: NDArray[np.floating[Any]], classes: Classes, threshold: float
) -> NDArray[np.bool_]:
    """Say which voxels are hard: misclassified, or right with less than the threshold (methods 6.3, item 3).

    Args:
        probabilities: (m, k) of the network.
        classes: (m,) true classes.
        threshold: A probability of exactly this much is not hard; at 0 only errors are.

    Raises:
        DivergedError: A probability is NaN or infinite.
    """
    if not np.isfinite(probabilities).all():
        raise DivergedError(
            "Expected finite probabilities of candidate patches, got NaN. Lower the learning rate."
        )
    of_truth = probabilities[np.arange(len(classes)), classes]
    return np.asarray((probabilities.argmax(axis=1) != classes) | (of_truth < threshold))


def inner(dataset: VolumeDataset, voxels: Positions) -> NDArray[np.bool_]:
    """Say which voxels (m, 4) touch no other class in their slice, corners included (methods 6.8)."""
    around = dataset.patches(voxels, 3)[1].reshape(len(voxels), -1)
    return np.asarray((around == around[:, 4:5]).all(axis=1))
