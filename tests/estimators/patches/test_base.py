import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.base import (
    PatchStream,
    VoxelSample,
    healthy_class,
    jitter_centers,
)

SHAPES = np.array([[5, 9, 30], [2, 1, 4]])


@settings(max_examples=50)
@given(size=st.integers(1, 12), jitter=st.integers(0, 20), seed=st.integers(0, 1000))
def test_a_jittered_patch_contains_its_voxel_and_its_center_is_in_the_volume(
    size: int, jitter: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(2, size=30)
    voxels = np.column_stack([rows, rng.integers(SHAPES[rows])])
    centers = jitter_centers(voxels, rng, shapes=SHAPES, size=size, jitter=jitter)
    assert (centers[:, :2] == voxels[:, :2]).all()
    assert np.abs(centers - voxels).max() <= jitter
    place = voxels[:, 2:] - (centers[:, 2:] - size // 2)
    assert ((place >= 0) & (place < size)).all()
    assert ((centers[:, 1:] >= 0) & (centers[:, 1:] < SHAPES[rows])).all()


def test_every_position_in_the_patch_is_equally_likely() -> None:
    """With the largest jitter the voxel is uniform over the patch, within 4 standard deviations."""
    size, n = 4, 8000
    voxels = np.tile([0, 2, 100, 100], (n, 1))
    centers = jitter_centers(
        voxels, np.random.default_rng(0), shapes=np.array([[5, 200, 200]]), size=size, jitter=99
    )
    y, x = (voxels[:, 2:] - (centers[:, 2:] - size // 2)).T
    times = np.bincount(y * size + x, minlength=size**2)
    assert np.abs(times - n / size**2).max() < 4 * np.sqrt(n / size**2)


def test_healthy_tissue_is_found_in_views(blocks: VolumeDataset) -> None:
    assert healthy_class(blocks) == 0
    assert healthy_class(blocks.merged({"tumor": (1, 2, 3, 4), "healthy": (0,)})) == 1
    assert healthy_class(blocks.merged({"edema": (2,), "core": (1, 3, 4)})) is None


def test_every_step_has_its_own_jitter(blocks: VolumeDataset) -> None:
    voxels = VoxelSample(np.tile([0, 4, 10, 10], (50, 1)), np.zeros(50, dtype=np.int64))
    stream = PatchStream(lambda _rng, _step: voxels, blocks, n=50, size=8, jitter=3, seed=0)
    assert not np.array_equal(stream(0).centers, stream(1).centers)
    np.testing.assert_array_equal(stream(0).centers, stream(0).centers)
