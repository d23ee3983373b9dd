from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix
from torch import nn

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import BRATS_2013
from equipoise.estimators.slice_scores import (
    all_slices,
    count_pixels,
    mean_dice,
    region_dice,
    validation_slices,
)
from equipoise.estimators.sliding import SliceLogits, SlidingPredictor
from equipoise.losses.cross_entropy import CrossEntropy
from equipoise.metrics.segmentation import dice, overlap
from equipoise.networks.patch_networks import CENTER_CNN
from equipoise.testing.volumes import volumes_of


class Scripted(SlidingPredictor):
    """A predictor whose logits are the first k channels of the images."""

    k: int

    def __init__(self, k: int) -> None:
        super().__init__(CENTER_CNN, nn.Linear(1, 1), 16, 4)
        object.__setattr__(self, "k", k)

    def slices(
        self, images: NDArray[Any], mask: NDArray[np.bool_], zs: Iterable[int] | None = None
    ) -> Iterator[SliceLogits]:
        for z in range(len(mask)) if zs is None else zs:
            box = (slice(0, mask.shape[1]), slice(1, mask.shape[2]))  # column 0 is not in the mask
            logits = images[: self.k, z, :, 1:].astype(np.float32)
            yield SliceLogits(z, box, torch.from_numpy(logits))


@pytest.fixture
def cases(tmp_path: Path) -> VolumeDataset:
    """Two cases of five classes whose images are noise; the mask excludes some tumor too."""
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 5, (6, 5, 7)) for _ in range(2)]
    masks = [rng.random((6, 5, 7)) < 0.8 for _ in range(2)]
    for mask in masks:
        mask[:, :, 0] = False
    return volumes_of(codes, tmp_path, masks=masks, channels=5, scheme=BRATS_2013)


def predicted(dataset: VolumeDataset, row: int, offset: NDArray[np.float64]) -> NDArray[np.int64]:
    images, _, mask = dataset.arrays(row)
    best = (images[: dataset.k].astype(np.float64) + offset[:, None, None, None]).argmax(axis=0)
    return np.where(mask, best, 0)


def test_counts_are_those_of_scikit_learn_for_every_offset(cases: VolumeDataset) -> None:
    offsets = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, -1.0]])
    counts = count_pixels(
        Scripted(5), CrossEntropy(), cases, all_slices(cases), torch.tensor(offsets).float()
    )
    for offset, confusion in zip(offsets, counts, strict=True):
        truth = np.concatenate([cases.arrays(row).codes.ravel() for row in range(2)])
        guess = np.concatenate([predicted(cases, row, offset).ravel() for row in range(2)])
        np.testing.assert_array_equal(confusion, confusion_matrix(truth, guess, labels=range(5)))


def test_only_the_chosen_slices_count(cases: VolumeDataset) -> None:
    (confusion,) = count_pixels(
        Scripted(5), CrossEntropy(), cases, {0: [], 1: [4, 2]}, torch.zeros(1, 5)
    )
    truth, guess = cases.arrays(1).codes[[2, 4]], predicted(cases, 1, np.zeros(5))[[2, 4]]
    np.testing.assert_array_equal(
        confusion, confusion_matrix(truth.ravel(), guess.ravel(), labels=range(5))
    )


def test_pixels_of_classes_that_a_view_leaves_out_do_not_count(cases: VolumeDataset) -> None:
    view = cases.merged({"edema": (2,), "core": (1, 3, 4)})
    (confusion,) = count_pixels(
        Scripted(2), CrossEntropy(), view, all_slices(view), torch.zeros(1, 2)
    )
    truth = [view.arrays(row).codes for row in range(2)]
    guess = [predicted(view, row, np.zeros(2)) for row in range(2)]
    labels, predictions = np.concatenate(truth, axis=None), np.concatenate(guess, axis=None)
    pairs = (labels[labels < 2], predictions[labels < 2])
    np.testing.assert_array_equal(confusion, confusion_matrix(*pairs, labels=range(2)))
    assert confusion.sum() == sum(int((cases.arrays(row).codes > 0).sum()) for row in range(2))


@settings(max_examples=30)
@given(arrays(np.int64, (2, 40), elements=st.integers(0, 4)))
def test_the_dice_of_regions_is_that_of_their_maps(maps: NDArray[np.int64]) -> None:
    truth, guess = maps
    scores = region_dice(confusion_matrix(truth, guess, labels=range(5)), BRATS_2013.regions)
    for name, codes in BRATS_2013.regions.items():
        both = overlap(truth=np.isin(truth, codes), prediction=np.isin(guess, codes))
        if np.isin(truth, codes).any():
            assert scores[name] == pytest.approx(float(dice(both["tp"], both["fp"], both["fn"])))
        else:
            assert name not in scores


def test_the_mean_is_over_regions_that_occur() -> None:
    confusion = np.zeros((5, 5), dtype=np.int64)
    confusion[2, 2], confusion[2, 0], confusion[0, 4] = 3, 1, 2  # no core, no active tumor
    assert mean_dice(confusion, BRATS_2013.regions) == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert np.isnan(mean_dice(np.diag([9, 0, 0, 0, 0]), BRATS_2013.regions))


# --- which slices ---


def blank(shape: tuple[int, int, int] = (20, 4, 4)) -> NDArray[np.int64]:
    return np.zeros(shape, dtype=np.int64)


def test_slices_are_spread_evenly_over_brains(tmp_path: Path) -> None:
    masks = [np.ones((20, 4, 4), dtype=bool), np.ones((20, 4, 4), dtype=bool)]
    masks[1][:10] = False
    dataset = volumes_of([blank(), blank()], tmp_path, masks=masks, scheme=BRATS_2013)
    assert validation_slices(dataset, 3) == {0: [5, 15], 1: [15]}
    assert validation_slices(dataset, 100) == {0: list(range(20)), 1: list(range(10, 20))}


def test_the_largest_slice_of_every_region_is_included(tmp_path: Path) -> None:
    first, second = blank(), blank()
    first[3, 0, 0] = first[8, :2, 0] = second[7, :3, 0] = 2  # most edema: slice 7 of the second
    first[1, 1, 1] = 4  # the only voxel of core and active tumor
    dataset = volumes_of([first, second], tmp_path, scheme=BRATS_2013)
    assert validation_slices(dataset, 1) == {0: [1], 1: [0, 7]}


def test_cases_without_a_brain_or_a_region_have_no_slices(tmp_path: Path) -> None:
    empty = volumes_of([blank()], tmp_path, masks=[blank() > 0], scheme=BRATS_2013)
    assert validation_slices(empty, 4) == {0: []}
