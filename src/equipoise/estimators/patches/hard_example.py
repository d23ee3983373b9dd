"""Patches that the network has not learned yet, of all classes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Judge, Shares
from equipoise.estimators.patches.hard_lists import (
    Filling,
    HardDrawing,
    Learned,
    Lists,
    inner,
    is_hard,
)
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares, natural_minority_shares
from equipoise.exceptions import SettingError

PROPORTIONS = ("equal", "natural_minority")


@dataclass(frozen=True, kw_only=True)
class HardExamplePatches:
    """Balanced draws in which misclassified and unsure voxels of the last epoch come first.

    Between epochs the network judges candidates of each class; those that are `is_hard` make the list of the class,
    which replaces the one before. Source: methods 6.3, item 3, and A.6 (paper S3). Differences: candidates are
    balanced draws without repetition (the paper does not say how many, nor of what); and, against label noise at
    borders (methods 6.8), lists fill at most half of the places, where the paper fills all.

    Attributes:
        candidates: Voxels of each class that the network judges between epochs.
        threshold: Correct voxels with a lower probability are hard too; the paper tries 0, 0.75 and 0.99.
        hard_fraction: Largest share of a class's places that its list fills; 1 in the paper.
        proportions: "equal", or "natural_minority": the most frequent class gets `majority_share`, the others the
            rest in the ratio of their voxels.
        majority_share: Only for "natural_minority"; None for the share that it has among equals.
        exclude_boundary: Keep voxels that touch another class off the lists.
        replace: Draw from the lists with replacement, so that they are never exhausted (`hard_replace` of A.6).
    """

    summary: ClassVar[str] = (
        "As balanced, but patches that the network got wrong or was unsure of come first."
    )
    source: ClassVar[str] = "methods 6.3, item 3, and A.6 (paper S3)"

    candidates: int = 5000
    threshold: float = 0.75
    hard_fraction: float = 0.5
    proportions: Literal["equal", "natural_minority"] = "equal"
    majority_share: float | None = None
    exclude_boundary: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise SettingError(
                f"Expected at least one candidate of each class, got {self.candidates}."
            )
        for name in ("threshold", "hard_fraction", "majority_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SettingError(f"Expected {name} from 0 to 1, got {value}.")
        if self.proportions not in PROPORTIONS:
            raise SettingError(
                f"Expected proportions {' or '.join(PROPORTIONS)}, got {self.proportions!r}."
            )
        if self.majority_share is not None and self.proportions == "equal":
            raise SettingError(
                "Expected no majority_share with equal proportions. Ask for natural_minority."
            )

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> HardDrawing:
        """Begin to draw; see `PatchSampler`. The first epoch, until `rebuild`, has no lists."""
        pool, quotas = VoxelPool(dataset), Quotas(self.shares(dataset), n)

        def learn(_lists: Lists, rng: np.random.Generator, judge: Judge) -> Learned:
            found = {int(code): self._judge(pool, int(code), rng, judge) for code in pool.occurring}
            facts = {f"hard share of class {code}": share for code, (_hard, share) in found.items()}
            return Learned({code: hard for code, (hard, _share) in found.items()}, facts)

        fill = Filling(self.hard_fraction, self.replace)
        return HardDrawing(pool, quotas, learn, fill, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Give the asked proportions of the classes that occur."""
        if self.proportions == "equal":
            return equal_shares(dataset)
        return natural_minority_shares(dataset, self.majority_share)

    def _judge(
        self, pool: VoxelPool, code: int, rng: np.random.Generator, judge: Judge
    ) -> tuple[Positions, float]:
        """Give the hard ones of the candidates of a class, and their share (0 where there is no candidate)."""
        voxels = draw_candidates(pool, code, self.candidates, rng)
        if self.exclude_boundary:
            voxels = voxels[inner(pool.dataset, voxels)]
        if not len(voxels):
            return voxels, 0.0
        hard = is_hard(judge(voxels), np.full(len(voxels), code), self.threshold)
        return voxels[hard], float(hard.mean())


def draw_candidates(pool: VoxelPool, code: int, n: int, rng: np.random.Generator) -> Positions:
    """Draw n voxels of a class as the balanced sampler does, and leave out repetitions."""
    return np.unique(pool.of_classes(rng, np.full(n, code)).voxels, axis=0)
