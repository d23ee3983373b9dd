from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Classes, PredictVoxels
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.estimators.patches.hard_lists import HardPatchStream, is_hard, is_interior
from equipoise.exceptions import DivergedError, SettingError

K = 5


def truth(dataset: VolumeDataset, voxels: Positions) -> Classes:
    return dataset.patches(voxels, 1)[1][:, 0, 0]


def sure_but_of(dataset: VolumeDataset, wrong: Any) -> PredictVoxels:
    """A network that predicts the true class with 0.9, except where `wrong` is 1."""

    def predict(voxels: Positions) -> NDArray[np.float64]:
        classes = truth(dataset, voxels)
        return answers((classes + wrong(voxels)) % K, np.full(len(voxels), 0.9))

    return predict


def answers(classes: Classes, chances: NDArray[np.float64]) -> NDArray[np.float64]:
    probabilities: NDArray[np.float64] = np.repeat((1 - chances)[:, None] / (K - 1), K, axis=1)
    probabilities[np.arange(len(classes)), classes] = chances
    return probabilities


def start(dataset: VolumeDataset, n: int = 120, **options: Any) -> HardPatchStream:
    return HardExamplePatches(**{"candidates": 1000, **options}).start(
        dataset, n=n, size=16, jitter=0, seed=0
    )


def as_tuples(voxels: Positions) -> list[tuple[int, ...]]:
    return [tuple(voxel) for voxel in voxels.tolist()]


def lists(stream: HardPatchStream) -> dict[int, Positions]:
    return {code: hard.numpy() for code, hard in stream.state_dict()["lists"].items()}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_golden_what_is_hard(kind: type[np.floating[Any]]) -> None:
    """Wrong with 0.9 is hard, right with 0.749 is hard, right with exactly 0.75 is not."""
    probabilities = np.array([[0.9, 0.1], [0.749, 0.251], [0.75, 0.25], [0.99, 0.01]]).astype(kind)
    truth = np.array([1, 0, 0, 0])
    assert is_hard(probabilities, truth, 0.75).tolist() == [True, True, False, False]
    assert is_hard(probabilities, truth, 0.0).tolist() == [True, False, False, False]
    assert is_hard(probabilities, truth, 0.99).tolist() == [True, True, True, False]


def test_golden_lists_of_a_scripted_network(blocks: VolumeDataset) -> None:
    """Wrong with 0.9, right with 0.749, right with 0.75 by x modulo 3: two thirds are hard."""

    def predict(voxels: Positions) -> NDArray[np.float64]:
        third, classes = voxels[:, 3] % 3, truth(blocks, voxels)
        return answers((classes + (third == 0)) % K, np.array([0.9, 0.749, 0.75])[third])

    stream = start(blocks, candidates=5000)
    statistics = stream.rebuild(1, predict)
    assert set(statistics) == {f"hard share of class {code}" for code in range(K)}
    for code, hard in lists(stream).items():
        assert set((hard[:, 3] % 3).tolist()) == {0, 1}
        assert (truth(blocks, hard.astype(np.int64)) == code).all()
    # every voxel of the small classes was a candidate: 5,000 draws from at most 432
    assert {code: len(hard) for code, hard in lists(stream).items() if code} == {
        1: 288,
        2: 192,
        3: 96,
        4: 48,
    }
    assert [statistics[f"hard share of class {code}"] for code in range(1, K)] == pytest.approx(
        [2 / 3] * 4
    )


def test_nan_is_neither_easy_nor_hard() -> None:
    with pytest.raises(DivergedError, match="NaN"):
        is_hard(np.array([[np.nan, 0.5]]), np.array([0]), 0.75)


def test_the_first_epoch_is_balanced(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    assert lists(stream) == {}
    assert np.bincount(stream(0).classes).tolist() == [24] * K


def test_places_are_filled_from_the_hard_list_first(blocks: VolumeDataset) -> None:
    """With all places allowed, the 36 hard voxels of class 4 in two steps, then balanced draws."""
    stream = start(blocks, hard_fraction=1.0)
    stream.rebuild(
        1, sure_but_of(blocks, lambda voxels: (truth(blocks, voxels) == 4) * (voxels[:, 0] == 0))
    )
    hard = as_tuples(lists(stream)[4])
    assert list(lists(stream)) == [4]
    assert len(hard) == len(set(hard)) == 36
    batches = [stream(step) for step in (50, 51, 52)]
    assert all(np.bincount(batch.classes).tolist() == [24] * K for batch in batches)
    of_class_4 = [as_tuples(batch.voxels[batch.classes == 4]) for batch in batches]
    assert of_class_4[0] == hard[:24]
    assert of_class_4[1][:12] == hard[24:]
    assert {voxel[0] for voxel in of_class_4[2]} == {0, 1}


def test_at_most_the_fraction_of_the_places_is_hard(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    stream.rebuild(1, sure_but_of(blocks, lambda voxels: voxels[:, 0] == 0))
    batch = stream(9)
    for code, hard in lists(stream).items():
        voxels = as_tuples(batch.voxels[batch.classes == code])
        assert voxels[:12] == as_tuples(hard[:12])
        assert {voxel[0] for voxel in voxels[12:]} == {0, 1}


def test_a_class_without_hard_voxels_gets_its_places(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    statistics = stream.rebuild(
        1, sure_but_of(blocks, lambda voxels: np.isin(truth(blocks, voxels), (1, 3)))
    )
    assert sorted(lists(stream)) == [1, 3]
    assert [statistics[f"hard share of class {code}"] for code in range(K)] == [0, 1, 0, 1, 0]
    assert np.bincount(stream(0).classes).tolist() == [24] * K


def test_lists_are_rebuilt_not_accumulated(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    stream.rebuild(1, sure_but_of(blocks, lambda voxels: voxels[:, 0] == 0))
    stream(0)
    stream.rebuild(2, sure_but_of(blocks, lambda voxels: voxels[:, 0] == 1))
    assert all((hard[:, 0] == 1).all() for hard in lists(stream).values())
    assert stream.rebuild(3, sure_but_of(blocks, lambda voxels: voxels[:, 0] < 0)) == dict.fromkeys(
        (f"hard share of class {code}" for code in range(K)), 0.0
    )
    assert lists(stream) == {}


def test_every_epoch_begins_at_the_head_of_a_shuffled_list(blocks: VolumeDataset) -> None:
    stream = start(blocks)
    for epoch, first_step in ((1, 10), (2, 20)):
        stream.rebuild(epoch, sure_but_of(blocks, lambda voxels: voxels[:, 0] == 0))
        hard = as_tuples(lists(stream)[1])
        assert hard != sorted(hard)
        for step in (first_step, first_step + 1):
            batch = stream(step)
            served = 12 * (step - first_step)
            assert as_tuples(batch.voxels[batch.classes == 1])[:12] == hard[served : served + 12]


def test_with_replacement_the_list_is_never_exhausted(blocks: VolumeDataset) -> None:
    wrong = sure_but_of(blocks, lambda voxels: (truth(blocks, voxels) == 4) * (voxels[:, 3] == 10))
    for replace in (True, False):
        stream = start(blocks, hard_fraction=1.0, replace=replace)
        stream.rebuild(1, wrong)
        assert len(lists(stream)[4]) == 12
        batches = [stream(step) for step in range(5)]
        columns = np.concatenate([batch.voxels[batch.classes == 4, 3] for batch in batches])
        assert bool((columns == 10).all()) == replace


def test_voxels_at_the_border_of_a_class_can_be_kept_out(blocks: VolumeDataset) -> None:
    """Of a block's 6 x 6 slice the inner 4 x 4 touch no other class: borders are noisy."""
    wrong = sure_but_of(blocks, lambda voxels: np.ones(len(voxels), dtype=np.int64))
    stream = start(blocks, candidates=5000, exclude_boundary=True)
    stream.rebuild(1, wrong)
    sizes = {code: len(hard) for code, hard in lists(stream).items() if code}
    assert sizes == {1: 2 * 6 * 16, 2: 2 * 4 * 16, 3: 2 * 2 * 16, 4: 2 * 16}
    assert all(is_interior(blocks, hard.astype(np.int64)).all() for hard in lists(stream).values())
    edge_middle_and_healthy_at_a_corner = np.array([[0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 0, 0]])
    assert is_interior(blocks, edge_middle_and_healthy_at_a_corner).tolist() == [False, True, False]


def test_a_class_that_is_all_border_has_no_list(blocks: VolumeDataset) -> None:
    halves = blocks.merged({"rest": (0, 1, 2, 3), "enhancing": (4,)})
    stream = start(halves, n=10, exclude_boundary=True)
    statistics = stream.rebuild(
        1, lambda voxels: np.eye(2)[np.where(is_interior(halves, voxels), 1, 0)]
    )
    assert statistics["hard share of class 0"] == 1.0
    assert statistics["hard share of class 1"] == 0.0


def test_proportions_of_natural_minorities(blocks: VolumeDataset) -> None:
    sampler = HardExamplePatches(proportions="natural_minority", majority_share=0.48)
    stream = sampler.start(blocks, n=100, size=16, jitter=0, seed=0)
    assert np.bincount(stream(0).classes).tolist() == [48, 24, 16, 8, 4]
    np.testing.assert_allclose(sampler.shares(blocks), [0.48, 0.24, 0.16, 0.08, 0.04])


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 40),
    percent=st.integers(0, 100),
    share=st.floats(0, 1),
    proportions=st.sampled_from(["equal", "natural_minority"]),
)
def test_each_step_serves_the_next_hard_voxels_of_its_classes(
    blocks: VolumeDataset, n: int, percent: int, share: float, proportions: str
) -> None:
    """h = min(floor(hard_fraction * quota), remaining hard voxels), the rest balanced."""
    stream = start(blocks, n=n, candidates=40, hard_fraction=percent / 100, proportions=proportions)
    chance = np.random.default_rng(0)
    stream.rebuild(1, sure_but_of(blocks, lambda voxels: chance.random(len(voxels)) < share))
    remaining = {code: as_tuples(hard) for code, hard in lists(stream).items()}
    for step in range(7, 12):
        batch = stream(step)
        assert (truth(blocks, batch.voxels) == batch.classes).all()
        for code in range(K):
            voxels = as_tuples(batch.voxels[batch.classes == code])
            left = remaining.get(code, [])
            h = min(percent * len(voxels) // 100, len(left))
            assert voxels[:h] == left[:h]
            remaining[code] = left[h:]


def test_an_epoch_resumes_where_it_was_killed(blocks: VolumeDataset) -> None:
    whole = start(blocks)
    whole.rebuild(1, sure_but_of(blocks, lambda voxels: voxels[:, 3] % 2))
    whole(100)
    resumed = start(blocks)
    resumed.load_state_dict(whole.state_dict())
    assert torch.equal(torch.from_numpy(whole(101).voxels), torch.from_numpy(resumed(101).voxels))
    assert all(hard.dtype == torch.int32 for hard in whole.state_dict()["lists"].values())


@pytest.mark.parametrize(
    "options",
    [
        {"candidates": 0},
        {"threshold": 1.1},
        {"hard_fraction": -0.1},
        {"proportions": "natural"},
        {"proportions": "natural_minority", "majority_share": 2.0},
        {"majority_share": 0.5},
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=list(options)[-1]):
        HardExamplePatches(**options)
