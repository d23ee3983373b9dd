"""Uniformly drawn patches."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import PatchStream, Shares, VoxelSample, check_voxels
from equipoise.estimators.patches.pool import VoxelPool


@dataclass(frozen=True, kw_only=True)
class RandomPatches:
    """Draw every valid voxel of all cases with the same probability: natural class shares.

    Source: Small and Ventura (2017). They draw a random slice first, which draws a voxel of a small
    slice more often than one of a large slice; ours ignores slices, so that the class shares are
    those of the data.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from equipoise.testing.segmenters import toy_brains
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     stream = RandomPatches().start(brains, n=1000, size=16, jitter=0, seed=0)
        ...     classes = stream(step=0).classes
        >>> brains.counts.tolist()
        [472, 104, 56, 8]
        >>> int((classes == 3).sum())  # expected are 1,000 * 8 / 640 = 12.5
        6

    See Also:
        ForegroundPatches: Replaces a share of these patches by tumor patches.
    """

    summary: ClassVar[str] = "All voxels of the brain are equally likely: rare classes stay rare."
    source: ClassVar[str] = "Small and Ventura (2017), random sampling"

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> PatchStream:
        """Start drawing; see `PatchSampler.start`."""
        pool = VoxelPool(dataset)

        def sample(rng: np.random.Generator, _step: int) -> VoxelSample:
            return pool.of_all(rng, n)

        return PatchStream(sample, dataset, n=n, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return the class shares of the valid voxels."""
        check_voxels(dataset)
        return np.asarray(dataset.counts / dataset.counts.sum())
