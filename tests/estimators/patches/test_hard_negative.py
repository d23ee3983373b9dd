from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.hard_lists import HardPatchStream
from equipoise.estimators.patches.hard_negative import HardNegativePatches
from equipoise.exceptions import SettingError


class Network:
    """A network that is wrong where `wrong` is 1 and records the voxels that it predicted."""

    def __init__(self, wrong: Any) -> None:
        self.wrong = wrong
        self.predicted = np.empty((0, 4), dtype=np.int64)

    def __call__(self, voxels: Positions) -> NDArray[np.float64]:
        self.predicted = voxels
        return np.eye(5)[np.asarray(self.wrong(voxels), dtype=np.int64)]


def start(dataset: VolumeDataset, **options: Any) -> HardPatchStream:
    return HardNegativePatches(**options).start(dataset, n=120, size=16, jitter=0, seed=0)


def cache(stream: HardPatchStream) -> set[tuple[int, ...]]:
    hard = stream.state_dict()["lists"]
    assert set(hard) <= {0}, "only healthy tissue may have a list"
    rows = [tuple(row) for row in hard[0].tolist()] if hard else []
    assert len(set(rows)) == len(rows), "a voxel is in the cache twice"
    return set(rows)


def test_only_healthy_voxels_are_predicted_and_listed(blocks: VolumeDataset) -> None:
    stream, network = start(blocks), Network(lambda voxels: voxels[:, 3] % 2)
    statistics = stream.rebuild(1, network)
    assert (blocks.patches(network.predicted, 1)[1] == 0).all()
    assert statistics["hard share of class 0"] == pytest.approx(0.5, abs=0.05)
    assert np.bincount(stream(0).classes).tolist() == [24] * 5
    hard = cache(stream)
    batch = stream(0)
    assert all(tuple(voxel) in hard for voxel in batch.voxels[batch.classes == 0][:12].tolist())


def test_the_cache_keeps_what_is_hard_and_drops_what_is_easy(blocks: VolumeDataset) -> None:
    """Felzenszwalb et al. (2010): violators stay, satisfied voxels leave, new violators enter."""
    stream = start(blocks, candidates=300)
    stream.rebuild(1, Network(lambda voxels: voxels[:, 3] < 10))
    before = cache(stream)
    network = Network(lambda voxels: voxels[:, 2] < 10)
    statistics = stream.rebuild(2, network)
    after = cache(stream)
    still_hard = {voxel for voxel in before if voxel[2] < 10}
    fresh = {tuple(voxel) for voxel in network.predicted.tolist()} - before
    assert 0 < len(still_hard) < len(before)
    assert after == still_hard | {voxel for voxel in fresh if voxel[2] < 10}
    assert statistics["kept hard voxels"] == len(still_hard)
    assert statistics["dropped hard voxels"] == len(before) - len(still_hard)
    assert statistics["new hard voxels"] == len(after) - len(still_hard)
    assert statistics["hard voxels in the cache"] == len(after)


def test_convergence_is_zero_new_hard_voxels(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    few = Network(lambda voxels: (voxels[:, 1:] == 0).all(axis=1))
    assert stream.rebuild(1, few)["new hard voxels"] == 2
    statistics = stream.rebuild(2, few)
    assert (statistics["new hard voxels"], statistics["kept hard voxels"]) == (0, 2)


def test_the_cache_has_a_capacity_and_keeps_its_voxels(blocks: VolumeDataset) -> None:
    stream = start(blocks, candidates=100, capacity=150)
    network = Network(lambda voxels: np.ones(len(voxels)))
    stream.rebuild(1, network)
    first = cache(stream)
    statistics = stream.rebuild(2, network)
    assert first < cache(stream)
    assert len(cache(stream)) == statistics["hard voxels in the cache"] == 150
    assert statistics["new hard voxels"] > 50


def test_without_healthy_tissue_it_is_the_balanced_sampler(blocks: VolumeDataset) -> None:
    tumor = blocks.merged({"edema": (2,), "core": (1, 3, 4)})
    stream = start(tumor)
    assert stream.rebuild(1, Network(lambda voxels: voxels[:, 3])) == {}
    balanced = BalancedPatches().start(tumor, n=120, size=16, jitter=0, seed=0)
    for array, expected in zip(stream(3), balanced(3), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "options", [{"candidates": 0}, {"capacity": 0}, {"threshold": -1}, {"hard_fraction": 2}]
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=list(options)[-1]):
        HardNegativePatches(**options)
