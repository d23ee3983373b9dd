"""Patches of all classes alike."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import Chosen, Drawing, Shares
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares


@dataclass(frozen=True, kw_only=True)
class BalancedPatches:
    """Gives every class that occurs n // k patches of a step; the remainder goes round from step to step.

    The case is drawn among those that contain the class, then a voxel among its voxels of the class, all with the
    same chance. Source: methods 6.3, item 2, which draws "a patient/slice": ours draws patients, not slices, or a
    voxel in a slice with little of the class would be drawn more often than its neighbors.
    """

    summary: ClassVar[str] = (
        "The same number of patches of every class; cases that have the class share alike."
    )
    source: ClassVar[str] = "methods 6.3, item 2 (paper S3)"

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> Drawing:
        """Begin to draw; see `PatchSampler`."""
        pool, quotas = VoxelPool(dataset), Quotas(self.shares(dataset), n)

        def choose(rng: np.random.Generator, step: int) -> Chosen:
            return pool.of_classes(
                rng, np.repeat(np.arange(dataset.k), quotas(np.array([step]))[0])
            )

        return Drawing(choose, dataset, n=n, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Give every class that occurs the same share."""
        return equal_shares(dataset)
