"""Patches of healthy tissue that the network takes for tumor."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Judge, Shares, healthy_class
from equipoise.estimators.patches.hard_example import draw_candidates
from equipoise.estimators.patches.hard_lists import Filling, HardDrawing, Learned, Lists, is_hard
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares
from equipoise.exceptions import SettingError


@dataclass(frozen=True, kw_only=True)
class HardNegativePatches:
    """Balanced draws in which healthy voxels from a cache of hard ones come first; tumor classes have no list.

    Between epochs the network judges the cache and fresh candidates of healthy tissue. Voxels of the cache that are
    no longer hard leave it, new hard ones enter. When none enters ("new hard voxels" is 0) the mining has come to
    its end; drawing goes on. Where healthy tissue does not occur the sampler is `BalancedPatches`.

    Source: methods 6.3, item 4, after Felzenszwalb et al. 2010. Differences: theirs trains a support vector machine
    to its optimum on the cache alone and calls a negative hard where its margin is violated; ours trains for an
    epoch, mixes in balanced draws, and calls it hard as `HardExamplePatches` does.

    Attributes:
        candidates: Fresh healthy voxels that the network judges between epochs.
        threshold: Correct voxels with a lower probability are hard too.
        hard_fraction: Largest share of the places of healthy tissue that the cache fills.
        capacity: Voxels in the cache at most; those already there stay.
    """

    summary: ClassVar[str] = (
        "As balanced, but healthy patches that look like tumor to the network come first."
    )
    source: ClassVar[str] = "methods 6.3, item 4 (Felzenszwalb et al. 2010)"

    candidates: int = 5000
    threshold: float = 0.75
    hard_fraction: float = 0.5
    capacity: int = 20_000

    def __post_init__(self) -> None:
        for name in ("candidates", "capacity"):
            if getattr(self, name) < 1:
                raise SettingError(f"Expected {name} of at least 1, got {getattr(self, name)}.")
        for name in ("threshold", "hard_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"Expected {name} from 0 to 1, got {getattr(self, name)}.")

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> HardDrawing:
        """Begin to draw; see `PatchSampler`. The first epoch, until `rebuild`, has no cache."""
        pool, quotas = VoxelPool(dataset), Quotas(self.shares(dataset), n)
        healthy = healthy_class(dataset)

        def learn(lists: Lists, rng: np.random.Generator, judge: Judge) -> Learned:
            if healthy is None or healthy not in pool.occurring:
                return Learned({}, {})
            return self._renew(
                pool, healthy, lists.get(healthy, np.empty((0, 4), dtype=np.int64)), rng, judge
            )

        return HardDrawing(
            pool,
            quotas,
            learn,
            Filling(self.hard_fraction, replace=False),
            size=size,
            jitter=jitter,
            seed=seed,
        )

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Give every class that occurs the same share."""
        return equal_shares(dataset)

    def _renew(
        self,
        pool: VoxelPool,
        healthy: int,
        cache: Positions,
        rng: np.random.Generator,
        judge: Judge,
    ) -> Learned:
        """Drop what has become easy and add what is newly hard."""
        fresh = draw_candidates(pool, healthy, self.candidates, rng)
        fresh = fresh[~_among(fresh, cache)]
        asked = np.concatenate([cache, fresh])
        hard = is_hard(judge(asked), np.full(len(asked), healthy), self.threshold)
        kept, new = cache[hard[: len(cache)]], fresh[hard[len(cache) :]]
        entering = rng.permutation(new)[: self.capacity - len(kept)]
        facts = {
            f"hard share of class {healthy}": float(hard[len(cache) :].mean())
            if len(fresh)
            else 0.0,
            "kept hard voxels": float(len(kept)),
            "dropped hard voxels": float(len(cache) - len(kept)),
            "new hard voxels": float(len(new)),
            "hard voxels in the cache": float(len(kept) + len(entering)),
        }
        return Learned({healthy: np.concatenate([kept, entering])}, facts)


def _among(some: Positions, others: Positions) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which rows (m, 4) are also rows of the other array."""
    known = set(map(tuple, others.tolist()))
    return np.array([tuple(row) in known for row in some.tolist()], dtype=bool)
