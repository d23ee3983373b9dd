"""What a patch sampler is: it draws voxels of cases, and the centers of patches around them."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import make_rng

Classes = NDArray[np.int64]  # (m,) class of each voxel
Shares = NDArray[np.float64]  # (k,), sums to 1
Judge = Callable[
    [Positions], NDArray[np.floating[Any]]
]  # positions (m, 4) -> probabilities (m, k) of their classes


class Chosen(NamedTuple):
    """Voxels (n, 4) as (row of the case, z, y, x), and their classes (n,)."""

    voxels: Positions
    classes: Classes


class Drawn(NamedTuple):
    """Patches of one step: centers (n, 4), the voxels (n, 4) drawn for them, and their classes (n,)."""

    centers: Positions
    voxels: Positions
    classes: Classes


class PatchSampler(Protocol):
    """A way of drawing patches; a frozen dataclass, so that a study can write its settings down."""

    summary: ClassVar[str]
    source: ClassVar[str]

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> "Drawing":
        """Begin to draw from some cases.

        Args:
            dataset: Cases to draw from.
            n: Patches in a step.
            size: Pixels on a side of a patch.
            jitter: Pixels by which a patch is moved at most, along y and x; 0 puts the drawn voxel at its center.
            seed: Seed of the choice.

        Raises:
            DataError: No case has a valid voxel.
            SettingError: A setting is out of range.
        """

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Give the expected share of each of the k classes among drawn voxels."""


class Drawing:
    """Draws the patches of any step; the same seed and step give the same patches, whatever was drawn before.

    Args:
        choose: (rng, step) -> n voxels.
        dataset: Cases that they lie in.
        n: Patches in a step.
        size: Pixels on a side of a patch.
        jitter: See `PatchSampler.start`.
        seed: Seed of the choice.
    """

    def __init__(
        self,
        choose: Callable[[np.random.Generator, int], Chosen],
        dataset: VolumeDataset,
        *,
        n: int,
        size: int,
        jitter: int,
        seed: int,
    ) -> None:
        for name, value, least in (("n", n, 1), ("size", size, 1), ("jitter", jitter, 0)):
            if value < least:
                raise SettingError(f"Expected {name} of patches of at least {least}, got {value}.")
        self._choose, self._seed = choose, seed
        self._size, self._jitter = size, jitter
        self._shapes = np.array([volume.shape for volume in dataset.volumes], dtype=np.int64)

    def __call__(self, step: int) -> Drawn:
        """Draw the patches of a step."""
        voxels, classes = self._choose(make_rng(self._seed, "patches", step), step)
        rng = make_rng(
            self._seed, "jitter", step
        )  # its own, so that jitter does not change which voxels are drawn
        centers = jittered(voxels, rng, shapes=self._shapes, size=self._size, jitter=self._jitter)
        return Drawn(centers, voxels, classes)

    def rebuild(self, epoch: int, judge: Judge) -> dict[str, float]:
        """Learn from the network between epochs, and say what was found; most samplers learn nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Give what was learned, as tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was learned."""


def jittered(
    voxels: Positions,
    rng: np.random.Generator,
    *,
    shapes: NDArray[np.int64],
    size: int,
    jitter: int,
) -> Positions:
    """Move voxels (n, 4) along y and x, so that a network does not learn that lesions lie in the middle.

    The patch around the moved center still holds the voxel, and the center stays in the volume.
    Source: ours; nnU-Net centers foreground patches on the voxel.

    Args:
        voxels: Positions.
        rng: Source of chance.
        shapes: (cases, 3) shape of each case.
        size: Pixels on a side of a patch, whose center is pixel size // 2.
        jitter: Pixels to move at most, either way.
    """
    if jitter == 0:
        return voxels.copy()
    low, high = -min(jitter, size - 1 - size // 2), min(jitter, size // 2)
    centers = voxels.copy()
    centers[:, 2:] += rng.integers(low, high + 1, size=(len(voxels), 2))
    centers[:, 2:] = centers[:, 2:].clip(0, shapes[voxels[:, 0], 1:] - 1)
    return centers


def healthy_class(dataset: VolumeDataset) -> int | None:
    """Find the class that holds healthy tissue; None where a view leaves it out."""
    if dataset.parts is None:
        return 0
    return next((code for code, part in enumerate(dataset.parts) if 0 in part), None)


def check_voxels(dataset: VolumeDataset) -> None:
    """Refuse cases among which there is nothing to draw.

    Raises:
        DataError: No case has a valid voxel; names the cases.
    """
    if not dataset.counts.any():
        names = ", ".join(map(str, dataset.ids[:5])) or "no case at all"
        raise DataError(
            f"Expected at least one voxel in a brain mask or of a foreground class, got none in {names}. "
            "Check the label files and the brain masks of these cases."
        )
