"""The Gaussian of each class in a latent space, even of few images in many dimensions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.arrays import Labels


def class_gaussians(
    latents: NDArray[np.floating], labels: Labels, *, shrinkage: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Fit one Gaussian for each class; its covariance S is shrunk to (1 - a) S + a tr(S) / d I.

    Args:
        latents: (n, d).
        labels: (n,) 0..k-1, each at least twice.
        shrinkage: a, 0 to 1. Without it, n latents span n - 1 directions only.

    Returns:
        means (k, d) and symmetric square roots of the covariances (k, d, d), float32.

    Source: Mariani et al. (2018), arXiv 1803.09655, Section 3.2. Differs in the shrinkage.

    Example:
        >>> means, factors = class_gaussians(np.array([[0.0, 0], [2, 0]]), np.array([0, 0]))
        >>> means.tolist()
        [[1.0, 0.0]]
        >>> (factors[0] @ factors[0]).double().round(decimals=3).tolist()
        [[1.9, 0.0], [0.0, 0.1]]
    """
    means, factors = [], []
    for label in range(int(labels.max()) + 1):
        group = latents[labels == label].astype(np.float64)  # (n_k, d)
        covariance = np.atleast_2d(np.cov(group, rowvar=False))
        d = len(covariance)
        sphere = shrinkage * np.trace(covariance) / d * np.eye(d)
        means.append(group.mean(axis=0))
        factors.append(_square_root((1 - shrinkage) * covariance + sphere))
    return torch.from_numpy(np.stack(means)).float(), torch.from_numpy(np.stack(factors)).float()


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric root; there is no Cholesky factor where all images are alike."""
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
