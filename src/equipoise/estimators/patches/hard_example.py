"""Patches of all classes that the network has not learned yet."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import PredictVoxels, Shares, check_fraction
from equipoise.estimators.patches.hard_lists import (
    HardLists,
    HardPatchStream,
    ListOptions,
    MinedVoxels,
    is_hard,
    is_interior,
)
from equipoise.estimators.patches.pool import VoxelPool
from equipoise.estimators.patches.quotas import Quotas, equal_shares, natural_minority_shares
from equipoise.exceptions import SettingError

PROPORTIONS = ("equal", "natural_minority")


@dataclass(frozen=True, kw_only=True)
class HardExamplePatches:
    """Draw balanced patches, starting with voxels that the network got wrong or was unsure of.

    Between epochs the network predicts candidates of each class; those that are `is_hard` replace
    the hard list of the class.

    Source: Small and Ventura (2017). Differences: candidates are balanced draws without repetition
    (the paper states neither their number nor how they are drawn), and lists fill at most half of
    the places against label noise at class boundaries, where the paper fills all of them.

    Attributes:
        candidates: Voxels of each class that the network predicts between epochs.
        threshold: Correct voxels with a lower probability are hard too; the paper tries 0, 0.75
            and 0.99.
        hard_fraction: Largest share of a class's places that its list fills; 1 in the paper.
        proportions: "equal", or "natural_minority": the most frequent class gets `majority_share`,
            the others share the rest in proportion to their voxels.
        majority_share: Only for "natural_minority"; None for its share under "equal".
        exclude_boundary: Keep voxels that touch another class off the lists.
        replace: Draw from the lists with replacement, so that they are never exhausted.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> from equipoise.testing.segmenters import toy_brains
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     stream = HardExamplePatches().start(brains, n=8, size=16, jitter=0, seed=0)
        ...     rates = stream.rebuild(1, lambda voxels: np.eye(4)[voxels[:, 3] % 2])
        >>> round(rates["hard share of class 0"], 2), rates["hard share of class 3"]
        (0.5, 1.0)

    See Also:
        HardNegativePatches: Keeps a list of healthy voxels only.
    """

    summary: ClassVar[str] = (
        "As balanced, but patches that the network got wrong or was unsure of come first."
    )
    source: ClassVar[str] = "Small and Ventura (2017), hard example sampling"

    candidates: int = 5000
    threshold: float = 0.75
    hard_fraction: float = 0.5
    proportions: Literal["equal", "natural_minority"] = "equal"
    majority_share: float | None = None
    exclude_boundary: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise SettingError(f"Expected candidates of at least 1, got {self.candidates}.")
        check_fraction("threshold", self.threshold)
        check_fraction("hard_fraction", self.hard_fraction)
        if self.majority_share is not None:
            check_fraction("majority_share", self.majority_share)
        if self.proportions not in PROPORTIONS:
            raise SettingError(
                f"Expected proportions {' or '.join(PROPORTIONS)}, got {self.proportions!r}."
            )
        if self.majority_share is not None and self.proportions == "equal":
            raise SettingError(
                "Expected majority_share=None with proportions='equal', got "
                f"{self.majority_share}. Use proportions='natural_minority'."
            )

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> HardPatchStream:
        """Start drawing; see `PatchSampler.start`. There are no lists before `rebuild`."""
        pool = VoxelPool(dataset)
        quotas = Quotas(self.shares(dataset), n)

        def mine(
            _lists: HardLists, rng: np.random.Generator, predict: PredictVoxels
        ) -> MinedVoxels:
            lists, statistics = {}, {}
            for code in pool.occurring.tolist():
                voxels = draw_candidates(pool, code, self.candidates, rng)
                if self.exclude_boundary:
                    voxels = voxels[is_interior(dataset, voxels)]
                truth = np.full(len(voxels), code)
                hard = np.zeros(len(voxels), dtype=bool)
                if len(voxels):
                    hard = is_hard(predict(voxels), truth, self.threshold)
                lists[code] = voxels[hard]
                share = float(hard.mean()) if len(hard) else 0.0
                statistics[f"hard share of class {code}"] = share
            return MinedVoxels(lists, statistics)

        options = ListOptions(self.hard_fraction, self.replace)
        return HardPatchStream(pool, quotas, mine, options, size=size, jitter=jitter, seed=seed)

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return the shares that `proportions` asks for, over the classes that occur."""
        if self.proportions == "equal":
            return equal_shares(dataset)
        return natural_minority_shares(dataset, self.majority_share)


def draw_candidates(pool: VoxelPool, code: int, n: int, rng: np.random.Generator) -> Positions:
    """Draw n voxels of a class as the balanced sampler does, and remove repetitions."""
    return np.unique(pool.of_classes(rng, np.full(n, code)).voxels, axis=0)
