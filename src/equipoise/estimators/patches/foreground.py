"""Patches anywhere, and some that must hold a tumor."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import (
    Chosen,
    Classes,
    Drawing,
    Shares,
    check_voxels,
    healthy_class,
)
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.exceptions import SettingError


@dataclass(frozen=True, kw_only=True)
class ForegroundPatches:
    """Draws a voxel of a foreground class with the chance `share`, else any valid voxel.

    All foreground classes that occur have the same chance, and so have all cases that contain the class.
    Source: methods 6.3, item 5, after nnU-Net (Isensee et al. 2021), which fixes the number per batch, and draws
    the case first and the class among those of the case: there a case of a rare class is as frequent as any other.

    Attributes:
        share: Chance of a patch to be drawn for a foreground class, 0 to 1.
    """

    summary: ClassVar[str] = "One patch in three is drawn for a tumor class, the others anywhere."
    source: ClassVar[str] = "methods 6.3, item 5 (nnU-Net)"

    share: float = 1 / 3

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SettingError(
                f"Expected a share of foreground patches from 0 to 1, got {self.share}."
            )

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> Drawing:
        """Begin to draw; see `PatchSampler`."""
        pool, foreground = VoxelPool(dataset), _foreground(dataset)

        def choose(rng: np.random.Generator, _step: int) -> Chosen:
            n_foreground = int(rng.binomial(n, self.share)) if len(foreground) else 0
            forced = (
                pool.of_classes(rng, rng.choice(foreground, size=n_foreground))
                if n_foreground
                else None
            )
            free = pool.of_all(rng, n - n_foreground)
            return (
                free
                if forced is None
                else Chosen(*(np.concatenate(pair) for pair in zip(forced, free, strict=True)))
            )

        return Drawing(choose, dataset, n=n, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Mix equal shares of the foreground classes with the shares of the data."""
        check_voxels(dataset)
        natural, foreground = dataset.counts / dataset.counts.sum(), _foreground(dataset)
        if not len(foreground):
            return np.asarray(natural)
        alike = np.isin(np.arange(dataset.k), foreground) / len(foreground)
        return np.asarray(self.share * alike + (1 - self.share) * natural)


def _foreground(dataset: VolumeDataset) -> Classes:
    """List the classes that occur, but for healthy tissue."""
    return np.array(
        [code for code in np.flatnonzero(dataset.counts) if code != healthy_class(dataset)],
        dtype=np.int64,
    )
