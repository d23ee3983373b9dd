"""Gaussians of classes in a latent space: means, covariances, fewer images than dimensions."""

import numpy as np
import pytest
import torch

from equipoise.training.class_gaussians import class_gaussians


def test_without_shrinkage_they_are_sample_means_and_covariances() -> None:
    rng = np.random.default_rng(0)
    latents, labels = (
        rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 3,
        np.repeat([0, 1], [40, 20]),
    )
    means, factors = class_gaussians(latents, labels, shrinkage=0.0)
    for label in (0, 1):
        mine = latents[labels == label]
        np.testing.assert_allclose(means[label].numpy(), mine.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(
            (factors[label] @ factors[label].T).numpy(), np.cov(mine.T), rtol=1e-4, atol=1e-5
        )


def test_golden_shrinkage() -> None:
    """Points (-1, 0), (1, 0): S = diag(2, 0), 0.9 S + 0.1 * tr(S) / 2 * I = diag(1.9, 0.1)."""
    factors = class_gaussians(np.array([[-1.0, 0.0], [1.0, 0.0]]), np.array([0, 0]), shrinkage=0.1)[
        1
    ]
    torch.testing.assert_close(factors[0] @ factors[0].T, torch.tensor([[1.9, 0.0], [0.0, 0.1]]))


def test_five_images_in_100_dimensions() -> None:
    """The covariance has rank 4; shrunk it has full rank and the same trace."""
    rng = np.random.default_rng(1)
    latents = rng.normal(2.0, 0.5, size=(5, 100))
    means, factors = class_gaussians(latents, np.zeros(5, dtype=np.int64))
    covariance = factors[0].double() @ factors[0].double().T
    assert torch.linalg.matrix_rank(covariance) == 100
    assert covariance.trace().item() == pytest.approx(np.trace(np.cov(latents.T)), rel=1e-4)
    drawn = means[0].numpy() + rng.standard_normal((20_000, 100)) @ factors[0].numpy().T
    assert np.abs(drawn.mean(axis=0) - latents.mean(axis=0)).max() < 0.03
    assert np.abs(np.cov(drawn.T) - covariance.numpy()).max() < 0.03


def test_images_that_are_all_alike_have_no_spread() -> None:
    means, factors = class_gaussians(np.full((3, 2), 7.0), np.zeros(3, dtype=np.int64))
    assert means.tolist() == [[7.0, 7.0]]
    assert not factors.any()


def test_one_dimension() -> None:
    assert class_gaussians(np.array([[0.0], [2.0]]), np.array([0, 0]))[1].shape == (1, 1, 1)
