"""Random, balanced and foreground patches against closed forms."""

import numpy as np
import pytest

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.base import PatchBatch, PatchSampler
from equipoise.estimators.patches.foreground import ForegroundPatches
from equipoise.estimators.patches.random import RandomPatches
from equipoise.exceptions import SettingError
from equipoise.testing.patch_samplers import ToyCases


def many(sampler: PatchSampler, dataset: VolumeDataset, n: int = 40_000) -> PatchBatch:
    return sampler.start(dataset, n=n, size=16, jitter=0, seed=0)(0)


def within_4_sd(share: float, expected: float, n: int) -> bool:
    return bool(abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / n))


def test_random_shares_are_those_of_the_data(cases: ToyCases) -> None:
    batch = many(RandomPatches(), cases.rare)
    assert cases.rare.counts.tolist() == [11_988, 12]
    assert within_4_sd(float((batch.classes == 1).mean()), 0.001, len(batch.classes))
    assert within_4_sd(float((batch.voxels[:, 0] == 1).mean()), 2 / 3, len(batch.classes))
    assert RandomPatches().shares(cases.rare).tolist() == [0.999, 0.001]


def test_random_draws_all_voxels_uniformly_whatever_their_slice(cases: ToyCases) -> None:
    """Drawing slices first (Small and Ventura, 2017) would favor slices with little brain."""
    batch = many(RandomPatches(), cases.odd)
    places, times = np.unique(batch.voxels, axis=0, return_counts=True)
    expected = len(batch.voxels) / cases.odd.counts.sum()
    assert len(places) == cases.odd.counts.sum()
    assert np.abs(times - expected).max() < 5 * np.sqrt(expected)  # 5: the largest of hundreds


def test_balanced_gives_24_patches_per_class(blocks: VolumeDataset) -> None:
    """Small and Ventura (2017): 120 patches of 5 classes."""
    stream = BalancedPatches().start(blocks, n=120, size=16, jitter=4, seed=0)
    for step in range(5):
        assert np.bincount(stream(step).classes).tolist() == [24] * 5


def test_balanced_gives_the_quota_of_absent_classes_to_others(cases: ToyCases) -> None:
    """Class 4 of 5 does not occur; the remainder of 10 places rotates over the other four."""
    stream = BalancedPatches().start(cases.odd, n=10, size=16, jitter=0, seed=0)
    places = np.array([np.bincount(stream(step).classes, minlength=5) for step in range(4)])
    assert places.sum(axis=0).tolist() == [10, 10, 10, 10, 0]
    assert set(places[:, :4].ravel().tolist()) == {2, 3}


@pytest.mark.parametrize("sampler", [BalancedPatches(), ForegroundPatches(share=1.0)])
def test_cases_that_contain_the_class_are_equally_likely(
    sampler: PatchSampler, cases: ToyCases
) -> None:
    """Twice the tumor makes a case no more likely; one without is not drawn (nnU-Net #1965)."""
    batch = many(sampler, cases.rare)
    rows = batch.voxels[batch.classes == 1, 0]
    assert within_4_sd(float(rows.mean()), 0.5, len(rows))
    odd = many(sampler, cases.odd)
    assert set(odd.voxels[odd.classes == 2, 0].tolist()) == {2}
    rows = odd.voxels[odd.classes == 1, 0]
    assert set(rows.tolist()) == {0, 1}
    assert within_4_sd(float(rows.mean()), 0.5, len(rows))


@pytest.mark.parametrize("share", [0.0, 1 / 3, 0.5, 1.0])
def test_foreground_share_is_the_share_of_foreground_patches(share: float, cases: ToyCases) -> None:
    """0.5 for a class of 0.1 % gives half of the patches; TorchIO 2.0 alpha would give 0.1 %."""
    batch = many(ForegroundPatches(share=share), cases.rare)
    expected = share + (1 - share) * 0.001
    assert within_4_sd(float((batch.classes == 1).mean()), expected, len(batch.classes))


def test_each_patch_is_foreground_independently_of_the_others(cases: ToyCases) -> None:
    """Numbers per batch are binomial; a fixed third would never give a batch of one patch any."""
    stream = ForegroundPatches(share=1 / 3).start(cases.rare, n=30, size=16, jitter=0, seed=0)
    numbers = [int((stream(step).classes == 1).sum()) for step in range(300)]
    assert np.var(numbers) == pytest.approx(30 / 3 * 2 / 3, rel=4 * np.sqrt(2 / 300))


def test_foreground_classes_are_equally_likely(blocks: VolumeDataset) -> None:
    classes = many(ForegroundPatches(share=1.0), blocks).classes
    assert all(
        within_4_sd(float((classes == code).mean()), 0.25, len(classes)) for code in (1, 2, 3, 4)
    )


def test_in_a_view_of_tumor_only_every_class_is_foreground(blocks: VolumeDataset) -> None:
    tumor = blocks.merged({"edema": (2,), "core": (1, 3, 4)})
    assert ForegroundPatches(share=1.0).shares(tumor).tolist() == [0.5, 0.5]
    assert set(many(ForegroundPatches(share=1.0), tumor, n=50).classes.tolist()) == {0, 1}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(SettingError, match="share"):
        ForegroundPatches(share=share)
