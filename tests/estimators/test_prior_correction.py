from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.estimators.test_slice_scores import Scripted

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.prior_correction import TAUS, prior_offset, tune_tau
from equipoise.losses.cross_entropy import CrossEntropy
from equipoise.testing.volumes import volumes_of

SHARES = np.array([0.975, 0.015, 0.003, 0.003, 0.004])  # of the voxels of a BraTS brain
EVEN = np.full(5, 0.2)


def test_golden_offset() -> None:
    """log(prior) - log(1 / k)."""
    np.testing.assert_allclose(prior_offset(SHARES, EVEN), np.log(SHARES) - np.log(1 / 5))
    np.testing.assert_allclose(
        prior_offset([0.9, 0.1], [0.5, 0.5]), [0.5877866649021191, -1.6094379124341003], rtol=1e-12
    )


def test_classes_without_voxels_or_never_drawn_are_left_alone() -> None:
    np.testing.assert_allclose(
        prior_offset([0.8, 0.2, 0.0], [0.5, 0.0, 0.5]), [np.log(1.6), 0.0, 0.0]
    )


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_equal_priors_change_nothing(weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    np.testing.assert_array_equal(prior_offset(shares, shares), 0)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
)
def test_the_full_correction_turns_the_training_posterior_into_that_of_the_scan(
    weights: list[float], evidence: list[float]
) -> None:
    """Bayes: the posterior under equal classes times prior / training share, normalized."""
    prior, likelihood = np.array(weights) / sum(weights), np.exp(evidence)
    logits = np.log(likelihood * EVEN / (likelihood * EVEN).sum()) + prior_offset(prior, EVEN)
    np.testing.assert_allclose(
        torch.from_numpy(logits).softmax(dim=0),
        likelihood * prior / (likelihood * prior).sum(),
        rtol=1e-9,
    )


def scripted(
    folder: Path, healthy: float, tumor: float, offset: NDArray[np.float64]
) -> VolumeDataset:
    """A case whose tumor logits exceed the healthy ones by these parts of the correction."""
    codes = np.zeros((2, 4, 5), dtype=np.int64)
    codes[1, 1:3, 2:4] = 1
    mask = np.ones(codes.shape, dtype=bool)
    mask[:, :, 0] = False
    dataset = volumes_of([codes], folder, masks=[mask])
    gap = np.where(codes == 1, tumor, healthy) * (offset[0] - offset[1])
    np.save(dataset.volumes[0].folder / "images.npy", np.stack([0 * gap, gap]).astype(np.float16))
    return dataset


@pytest.mark.parametrize(
    ("healthy", "tumor", "tau"),
    [
        (0.75, 1.05, 0.8),  # right from 0.8 to 1: the smallest of equals
        (0.25, 0.45, 0.3),
        (-1.0, 2.0, 0.0),  # right without
        (0.95, 1.5, 1.0),
    ],
)
def test_tau_is_the_smallest_with_the_best_dice(
    tmp_path: Path, healthy: float, tumor: float, tau: float
) -> None:
    offset = prior_offset([0.99, 0.01], [0.5, 0.5])
    validation = scripted(tmp_path, healthy, tumor, offset)
    assert tune_tau(Scripted(2), CrossEntropy(), validation, offset) == tau
    assert tau in TAUS


def test_without_a_tumor_tau_is_1(tmp_path: Path) -> None:
    validation = volumes_of([np.zeros((2, 4, 5), dtype=np.int64)], tmp_path, k=2)
    assert tune_tau(Scripted(2), CrossEntropy(), validation, np.array([1.0, -1.0])) == 1.0
