"""Uniform patches, a share of which is replaced by tumor patches."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import (
    Classes,
    PatchStream,
    Shares,
    VoxelSample,
    check_fraction,
    check_voxels,
    healthy_class,
)
from equipoise.estimators.patches.pool import VoxelPool


@dataclass(frozen=True, kw_only=True)
class ForegroundPatches:
    """Draw each patch from a foreground class with probability `share`, else from any valid voxel.

    All foreground classes that occur are equally likely, and so are all cases that contain the
    class.

    Source: nnU-Net (Isensee et al., 2021). nnU-Net fixes the number of foreground patches per
    batch, and draws the case first and the class among those of the case, so that a case with a
    rare class is as frequent as any other.

    Attributes:
        share: Probability that a patch is drawn from a foreground class, 0 to 1.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from equipoise.testing.segmenters import toy_brains
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     ForegroundPatches(share=0.5).shares(brains).round(2).tolist()
        [0.37, 0.25, 0.21, 0.17]
    """

    summary: ClassVar[str] = "One patch in three is of a tumor class, the others are uniform."
    source: ClassVar[str] = "Isensee et al. (2021), nnU-Net"

    share: float = 1 / 3

    def __post_init__(self) -> None:
        check_fraction("share", self.share)

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> PatchStream:
        """Start drawing; see `PatchSampler.start`."""
        pool = VoxelPool(dataset)
        foreground = _foreground_classes(dataset)

        def sample(rng: np.random.Generator, _step: int) -> VoxelSample:
            n_foreground = int(rng.binomial(n, self.share)) if len(foreground) else 0
            if n_foreground == 0:
                return pool.of_all(rng, n)
            tumor = pool.of_classes(rng, rng.choice(foreground, size=n_foreground))
            uniform = pool.of_all(rng, n - n_foreground)
            return VoxelSample(
                np.concatenate([tumor.voxels, uniform.voxels]),
                np.concatenate([tumor.classes, uniform.classes]),
            )

        return PatchStream(sample, dataset, n=n, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return the mixture of equal foreground shares and the natural shares."""
        check_voxels(dataset)
        natural = np.asarray(dataset.counts / dataset.counts.sum())
        foreground = _foreground_classes(dataset)
        if not len(foreground):
            return natural
        equal = np.isin(np.arange(dataset.k), foreground) / len(foreground)
        return np.asarray(self.share * equal + (1 - self.share) * natural)


def _foreground_classes(dataset: VolumeDataset) -> Classes:
    """Return the classes that occur, except healthy tissue."""
    occurring = np.flatnonzero(dataset.counts)
    healthy = healthy_class(dataset)
    return occurring if healthy is None else occurring[occurring != healthy]
