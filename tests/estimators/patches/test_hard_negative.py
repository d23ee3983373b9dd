from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.hard_lists import HardDrawing
from equipoise.estimators.patches.hard_negative import HardNegativePatches
from equipoise.exceptions import SettingError


class Network:
    """Takes healthy voxels for tumor where `wrong` says so, and remembers what it was asked."""

    def __init__(self, wrong: Any) -> None:
        self.wrong = wrong
        self.asked = np.empty((0, 4), dtype=np.int64)

    def __call__(self, voxels: Positions) -> NDArray[np.float64]:
        self.asked = voxels
        return np.eye(5)[np.asarray(self.wrong(voxels), dtype=np.int64)]


def start(dataset: VolumeDataset, **options: Any) -> HardDrawing:
    return HardNegativePatches(**options).start(dataset, n=120, size=16, jitter=0, seed=0)


def cache(drawing: HardDrawing) -> set[tuple[int, ...]]:
    hard = drawing.state_dict()["lists"]
    assert set(hard) <= {0}, "only healthy tissue may have a list"
    rows = [tuple(row) for row in hard[0].tolist()] if hard else []
    assert len(set(rows)) == len(rows), "a voxel is in the cache twice"
    return set(rows)


def test_only_healthy_voxels_are_judged_and_listed(blocks: VolumeDataset) -> None:
    drawing, network = start(blocks), Network(lambda voxels: voxels[:, 3] % 2)
    facts = drawing.rebuild(1, network)
    assert (blocks.patches(network.asked, 1)[1] == 0).all()
    assert facts["hard share of class 0"] == pytest.approx(0.5, abs=0.05)
    assert np.bincount(drawing(0).classes).tolist() == [24] * 5
    hard = cache(drawing)
    drawn = drawing(0)
    assert all(tuple(voxel) in hard for voxel in drawn.voxels[drawn.classes == 0][:12].tolist())


def test_the_cache_keeps_what_is_hard_and_drops_what_is_easy(blocks: VolumeDataset) -> None:
    """Felzenszwalb's algorithm: still violating stays, satisfied goes, new violators come."""
    drawing = start(blocks, candidates=300)
    drawing.rebuild(1, Network(lambda voxels: voxels[:, 3] < 10))
    before = cache(drawing)
    network = Network(lambda voxels: voxels[:, 2] < 10)
    facts = drawing.rebuild(2, network)
    after = cache(drawing)
    kept = {voxel for voxel in before if voxel[2] < 10}
    fresh = {tuple(voxel) for voxel in network.asked.tolist()} - before
    assert 0 < len(kept) < len(before)
    assert after == kept | {voxel for voxel in fresh if voxel[2] < 10}
    assert facts["kept hard voxels"] == len(kept)
    assert facts["dropped hard voxels"] == len(before) - len(kept)
    assert facts["new hard voxels"] == len(after) - len(kept)
    assert facts["hard voxels in the cache"] == len(after)


def test_it_tells_when_there_are_no_new_ones(blocks: VolumeDataset) -> None:
    drawing = start(blocks)
    few = Network(lambda voxels: (voxels[:, 1:] == 0).all(axis=1))
    assert drawing.rebuild(1, few)["new hard voxels"] == 2
    facts = drawing.rebuild(2, few)
    assert (facts["new hard voxels"], facts["kept hard voxels"]) == (0, 2)


def test_the_cache_has_a_limit_and_keeps_those_that_are_in_it(blocks: VolumeDataset) -> None:
    drawing, network = (
        start(blocks, candidates=100, capacity=150),
        Network(lambda voxels: np.ones(len(voxels))),
    )
    drawing.rebuild(1, network)
    first = cache(drawing)
    facts = drawing.rebuild(2, network)
    assert first < cache(drawing)
    assert len(cache(drawing)) == facts["hard voxels in the cache"] == 150
    assert facts["new hard voxels"] > 50


def test_without_healthy_tissue_it_is_the_balanced_sampler(blocks: VolumeDataset) -> None:
    tumor = blocks.merged({"edema": (2,), "core": (1, 3, 4)})
    drawing = start(tumor)
    assert drawing.rebuild(1, Network(lambda voxels: voxels[:, 3])) == {}
    balanced = BalancedPatches().start(tumor, n=120, size=16, jitter=0, seed=0)
    for one, other in zip(drawing(3), balanced(3), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options", [{"candidates": 0}, {"capacity": 0}, {"threshold": -1}, {"hard_fraction": 2}]
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="Expected"):
        HardNegativePatches(**options)
