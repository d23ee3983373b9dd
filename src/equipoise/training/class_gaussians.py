"""The Gaussian of each class in a latent space, also where a class has fewer images than the space dimensions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Labels


def class_gaussians(
    latents: NDArray[np.floating], labels: Labels, *, shrinkage: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Fit one Gaussian for each class; its covariance S is shrunk to (1 - a) S + a tr(S)/d I.

    Args:
        latents: (n, d).
        labels: (n,) 0..k-1, each at least twice.
        shrinkage: a, 0 to 1. Without it, n latents span n - 1 directions only.

    Returns:
        means (k, d) and symmetric square roots of the covariances (k, d, d), float32.

    Source: methods 4.8. The original BAGAN (Mariani et al. 2018) does not shrink.
    """
    groups = [latents[labels == label].astype(np.float64) for label in range(int(labels.max()) + 1)]
    means = np.stack([group.mean(axis=0) for group in groups])
    factors = np.stack([_square_root(_shrunk_covariance(group, shrinkage)) for group in groups])
    return torch.from_numpy(means).float(), torch.from_numpy(factors).float()


def _shrunk_covariance(latents: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    covariance = np.atleast_2d(np.cov(latents, rowvar=False))
    d = len(covariance)
    shrunk: NDArray[np.float64] = (1 - shrinkage) * covariance + shrinkage * np.trace(
        covariance
    ) / d * np.eye(d)
    return shrunk


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the root by eigenvectors, which a Cholesky factor could not where images are all alike."""
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
