"""The patch sampler interface: samplers draw voxels of cases and patches around them."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import make_rng

Classes = NDArray[np.int64]  # (m,) class of each voxel
Shares = NDArray[np.float64]  # (k,), sums to 1
StateDict = dict[str, Any]  # tensors, numbers and dicts of them, as `torch.save` writes them

# positions (m, 4) -> the network's class probabilities (m, k) there
PredictVoxels = Callable[[Positions], NDArray[np.floating[Any]]]


class VoxelSample(NamedTuple):
    """Voxels (n, 4) as (row of the case, z, y, x), and their classes (n,)."""

    voxels: Positions
    classes: Classes


class PatchBatch(NamedTuple):
    """Patches of one step: centers (n, 4), the sampled voxels (n, 4), and their classes (n,)."""

    centers: Positions
    voxels: Positions
    classes: Classes


@runtime_checkable
class PatchSampler(Protocol):
    """A strategy for drawing patches; a frozen dataclass, so that a study can store its settings.

    Attributes:
        summary: One line for lists.
        source: Publication: author, year.
    """

    summary: ClassVar[str]
    source: ClassVar[str]

    def start(
        self, dataset: VolumeDataset, *, n: int, size: int, jitter: int, seed: int
    ) -> "PatchStream":
        """Start drawing patches from a dataset.

        Args:
            dataset: Cases to draw from.
            n: Patches per step.
            size: Side of a patch in px.
            jitter: Largest shift of a patch along y and x in px; 0 centers it on its voxel.
            seed: Seed of all random draws.

        Raises:
            DataError: No case has a valid voxel.
            SettingError: A setting is out of range.
        """

    def shares(self, dataset: VolumeDataset) -> Shares:
        """Return the expected share of each of the k classes among the sampled voxels."""


class PatchStream:
    """Draws the patches of any step; they depend on the seed and the step alone.

    Args:
        sample: (rng, step) -> n voxels.
        dataset: Cases that contain them.
        n: Patches per step.
        size: Side of a patch in px.
        jitter: See `PatchSampler.start`.
        seed: Seed of all random draws.
    """

    def __init__(
        self,
        sample: Callable[[np.random.Generator, int], VoxelSample],
        dataset: VolumeDataset,
        *,
        n: int,
        size: int,
        jitter: int,
        seed: int,
    ) -> None:
        for name, value, minimum in (("n", n, 1), ("size", size, 1), ("jitter", jitter, 0)):
            if value < minimum:
                raise SettingError(
                    f"Expected {name} of patches of at least {minimum}, got {value}."
                )
        self._sample = sample
        self._seed = seed
        self._size = size
        self._jitter = jitter
        self._shapes = np.array([volume.shape for volume in dataset.volumes], dtype=np.int64)

    def __call__(self, step: int) -> PatchBatch:
        """Draw the patches of a step."""
        voxels, classes = self._sample(make_rng(self._seed, "patches", step), step)
        # a separate random stream: jitter does not change which voxels are drawn
        rng = make_rng(self._seed, "jitter", step)
        centers = jitter_centers(
            voxels, rng, shapes=self._shapes, size=self._size, jitter=self._jitter
        )
        return PatchBatch(centers, voxels, classes)

    def rebuild(self, epoch: int, predict: PredictVoxels) -> dict[str, float]:
        """Adapt to the network between epochs and return statistics; most samplers do neither."""
        return {}

    def state_dict(self) -> StateDict:
        """Return what was learned from the network."""
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore what `state_dict` returned."""


def jitter_centers(
    voxels: Positions,
    rng: np.random.Generator,
    *,
    shapes: NDArray[np.int64],
    size: int,
    jitter: int,
) -> Positions:
    """Shift voxels (n, 4) along y and x, so that a network cannot learn that lesions are centered.

    The patch around the shifted center still contains the voxel, and the center stays inside the
    volume. nnU-Net (Isensee et al., 2021) centers foreground patches on the voxel.

    Args:
        voxels: Positions.
        rng: Random generator.
        shapes: (cases, 3) shape of each case.
        size: Side of a patch in px; its center is pixel size // 2.
        jitter: Largest shift in px, in either direction.
    """
    if jitter == 0:
        return voxels.copy()
    low = -min(jitter, size - 1 - size // 2)
    high = min(jitter, size // 2)
    centers = voxels.copy()
    centers[:, 2:] += rng.integers(low, high + 1, size=(len(voxels), 2))
    centers[:, 2:] = centers[:, 2:].clip(0, shapes[voxels[:, 0], 1:] - 1)
    return centers


def healthy_class(dataset: VolumeDataset) -> int | None:
    """Return the class that contains healthy tissue; None where a view leaves it out."""
    if dataset.parts is None:
        return 0
    for code, stored_classes in enumerate(dataset.parts):
        if 0 in stored_classes:
            return code
    return None


def check_voxels(dataset: VolumeDataset) -> None:
    """Raise unless some case has a voxel to draw.

    Raises:
        DataError: No case has a valid voxel; names the cases.
    """
    if not dataset.counts.any():
        names = ", ".join(map(str, dataset.ids[:5])) or "an empty dataset"
        raise DataError(
            "Expected at least one voxel in a brain mask or of a foreground class, got none in "
            f"{names}. Check the label files and the brain masks of these cases."
        )


def check_fraction(name: str, value: float) -> None:
    """Raise unless a setting lies between 0 and 1.

    Raises:
        SettingError: Names the setting.
    """
    if not 0 <= value <= 1:
        raise SettingError(f"Expected {name} from 0 to 1, got {value}.")
