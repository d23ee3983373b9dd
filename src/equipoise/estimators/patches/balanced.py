"""Class-balanced patches."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import PatchStream, Shares, VoxelSample
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares


@dataclass(frozen=True, kw_only=True)
class BalancedPatches:
    """Draw n // k patches of every class that occurs; the remainder rotates from step to step.

    First a case is drawn uniformly among those that contain the class, then a voxel uniformly among
    its voxels of the class.

    Source: Small and Ventura (2017). They draw a patient and a slice; ours draws no slice, which
    would make a voxel in a slice with few voxels of the class more likely than its neighbors.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from equipoise.testing.segmenters import toy_brains
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     stream = BalancedPatches().start(brains, n=8, size=16, jitter=0, seed=0)
        ...     stream(step=0).classes.tolist()
        [0, 0, 1, 1, 2, 2, 3, 3]

    See Also:
        HardExamplePatches: Balanced too, but what the network gets wrong comes first.
    """

    summary: ClassVar[str] = (
        "Equally many patches of every class; all cases that contain the class are equally likely."
    )
    source: ClassVar[str] = "Small and Ventura (2017), balanced sampling"

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> PatchStream:
        """Start drawing; see `PatchSampler.start`."""
        pool = VoxelPool(dataset)
        quotas = Quotas(self.shares(dataset), n)

        def sample(rng: np.random.Generator, step: int) -> VoxelSample:
            places = quotas(np.array([step]))[0]  # (k,)
            return pool.of_classes(rng, np.repeat(np.arange(dataset.k), places))

        return PatchStream(sample, dataset, n=n, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return equal shares of all classes that occur."""
        return equal_shares(dataset)
