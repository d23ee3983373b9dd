"""Patches of healthy tissue that the network takes for tumor."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import (
    PredictVoxels,
    Shares,
    check_fraction,
    healthy_class,
)
from equipoise.estimators.patches.hard_example import draw_candidates
from equipoise.estimators.patches.hard_lists import (
    HardLists,
    HardPatchStream,
    ListOptions,
    MinedVoxels,
    is_hard,
)
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares
from equipoise.exceptions import SettingError


@dataclass(frozen=True, kw_only=True)
class HardNegativePatches:
    """Draw balanced patches, starting with healthy voxels from a cache of hard ones.

    Between epochs the network predicts the cache and fresh candidates of healthy tissue. Voxels of
    the cache that are no longer hard leave it, new hard ones enter. Mining has converged when none
    enters ("new hard voxels" is 0); drawing continues. Without healthy tissue the sampler is
    `BalancedPatches`. Tumor classes have no list.

    Source: Felzenszwalb et al. (2010), hard negative mining. Differences: theirs trains a support
    vector machine to its optimum on the cache alone and calls a negative hard where it violates the
    margin; ours trains for one epoch, mixes in balanced draws, and defines hard as
    `HardExamplePatches` does.

    Attributes:
        candidates: Fresh healthy voxels that the network predicts between epochs.
        threshold: Correct voxels with a lower probability are hard too.
        hard_fraction: Largest share of the places of healthy tissue that the cache fills.
        capacity: Largest size of the cache; voxels already in it stay.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> from equipoise.testing.segmenters import toy_brains
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     stream = HardNegativePatches().start(brains, n=8, size=16, jitter=0, seed=0)
        ...     rates = stream.rebuild(1, lambda voxels: np.eye(4)[voxels[:, 3] % 2])
        >>> rates["new hard voxels"], round(rates["hard share of class 0"], 2)
        (236.0, 0.5)
    """

    summary: ClassVar[str] = (
        "As balanced, but healthy patches that look like tumor to the network come first."
    )
    source: ClassVar[str] = "Felzenszwalb et al. (2010)"

    candidates: int = 5000
    threshold: float = 0.75
    hard_fraction: float = 0.5
    capacity: int = 20_000

    def __post_init__(self) -> None:
        for name, value in (("candidates", self.candidates), ("capacity", self.capacity)):
            if value < 1:
                raise SettingError(f"Expected {name} of at least 1, got {value}.")
        check_fraction("threshold", self.threshold)
        check_fraction("hard_fraction", self.hard_fraction)

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> HardPatchStream:
        """Start drawing; see `PatchSampler.start`. The cache is empty before `rebuild`."""
        pool = VoxelPool(dataset)
        quotas = Quotas(self.shares(dataset), n)
        healthy = healthy_class(dataset)

        def mine(lists: HardLists, rng: np.random.Generator, predict: PredictVoxels) -> MinedVoxels:
            if healthy is None or healthy not in pool.occurring:
                return MinedVoxels({}, {})
            cache = lists.get(healthy, np.empty((0, 4), dtype=np.int64))
            fresh = draw_candidates(pool, healthy, self.candidates, rng)
            cached = set(map(tuple, cache.tolist()))
            is_new = [tuple(voxel) not in cached for voxel in fresh.tolist()]
            fresh = fresh[np.array(is_new, dtype=bool)]
            candidates = np.concatenate([cache, fresh])
            truth = np.full(len(candidates), healthy)
            hard = is_hard(predict(candidates), truth, self.threshold)
            return self._update(cache, fresh, hard, rng, healthy)

        options = ListOptions(self.hard_fraction, replace=False)
        return HardPatchStream(pool, quotas, mine, options, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return equal shares of all classes that occur."""
        return equal_shares(dataset)

    def _update(
        self,
        cache: Positions,
        fresh: Positions,
        hard: NDArray[np.bool_],
        rng: np.random.Generator,
        healthy: int,
    ) -> MinedVoxels:
        """Drop voxels of the cache that are no longer hard, and add fresh ones that are."""
        still_hard = cache[hard[: len(cache)]]
        fresh_is_hard = hard[len(cache) :]
        new = fresh[fresh_is_hard]
        entering = rng.permutation(new)[: self.capacity - len(still_hard)]
        statistics = {
            f"hard share of class {healthy}": float(fresh_is_hard.mean()) if len(fresh) else 0.0,
            "kept hard voxels": float(len(still_hard)),
            "dropped hard voxels": float(len(cache) - len(still_hard)),
            "new hard voxels": float(len(new)),
            "hard voxels in the cache": float(len(still_hard) + len(entering)),
        }
        return MinedVoxels({healthy: np.concatenate([still_hard, entering])}, statistics)
