"""Patches anywhere."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import Drawing, Shares, check_voxels
from equipoise.estimators.patches.pool import VoxelPool


@dataclass(frozen=True, kw_only=True)
class RandomPatches:
    """Draws every valid voxel of all cases with the same chance, so classes come in the shares of the data.

    Source: methods 6.3, item 1, which draws "of a random slice": there a voxel of a small slice is drawn more often
    than one of a large slice, and the shares are not those of the data, which the same line expects. Ours ignores
    slices.
    """

    summary: ClassVar[str] = "Every voxel of the brain has the same chance: rare classes stay rare."
    source: ClassVar[str] = "methods 6.3, item 1 (paper S3)"

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> Drawing:
        """Begin to draw; see `PatchSampler`."""
        pool = VoxelPool(dataset)
        return Drawing(
            lambda rng, _step: pool.of_all(rng, n),
            dataset,
            n=n,
            size=size,
            jitter=jitter,
            seed=seed,
        )

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Give the shares of valid voxels."""
        check_voxels(dataset)
        return np.asarray(dataset.counts / dataset.counts.sum())
