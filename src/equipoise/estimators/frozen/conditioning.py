"""Coordinates in which the training of a last layer converges in a few steps."""

from dataclasses import dataclass

import torch
from torch import Tensor

RANK = 32  # directions of the inputs whose spread is evened out
MOST_ROWS = 1024  # from which they are found
FLOOR = 1e-5  # smallest curvature, as a share of the largest
PASSES = 2  # of the subspace iteration over these rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """Where the curvature of a loss in the weights of a layer is largest.

    Attributes:
        center: (d,) weighted mean of the inputs.
        basis: (d, r) orthonormal directions.
        curvatures: (r,) along them, increasing.
        mean_weight: Curvature along the bias.
    """

    center: Tensor
    basis: Tensor
    curvatures: Tensor
    mean_weight: float

    def stretched(self, weights: Tensor, penalties: Tensor) -> Tensor:
        """Map weights (q, k, d) from coordinates in which the curvature is about 1 everywhere.

        Args:
            weights: In these coordinates.
            penalties: (q,) curvature that the penalty adds in every direction.
        """
        smallest, along = self._roots(penalties)
        correction = weights @ self.basis * (smallest / along - 1.0)
        return (weights + correction @ self.basis.T) / smallest

    def even(self, weights: Tensor, penalties: Tensor) -> Tensor:
        """Map weights (q, k, d) to these coordinates: the inverse of `stretched`."""
        smallest, along = self._roots(penalties)
        correction = weights @ self.basis * (along / smallest - 1.0)
        return (weights + correction @ self.basis.T) * smallest

    def _roots(self, penalties: Tensor) -> tuple[Tensor, Tensor]:
        """Return roots of the curvature in all other directions (q, 1, 1), and along (q, 1, r)."""
        along = (self.curvatures + penalties[:, None, None]).sqrt()
        return along[..., :1], along


def find_directions(inputs: Tensor, row_curvatures: Tensor) -> Directions:
    """Find the largest eigenvectors of the weighted covariance of some rows.

    Args:
        inputs: (n, d); rows at equal distances are used, at most twice `MOST_ROWS`.
        row_curvatures: (n,) curvature of the loss of each row in its logits, at least 0.

    Source: Halko, Martinsson and Tropp (2011), Algorithm 4.4, for the eigenvectors; Frangella,
    Tropp and Udell (2023), Eq. 1.3, for what is made of them: directions that were not found are
    treated as the weakest one that was.
    """
    rows = slice(None, None, max(1, len(inputs) // MOST_ROWS))
    weights = row_curvatures / row_curvatures.mean().clamp(min=1e-12)
    center = (weights / len(weights)) @ inputs
    some, weights = inputs[rows], weights[rows, None]

    def covariance_times(directions: Tensor) -> Tensor:
        projections = weights * (some @ directions - center @ directions)
        # (the transpose of the smaller matrix is much faster to multiply)
        raw = (projections.T @ some).T
        return (raw - center[:, None] * projections.sum(dim=0)) / len(some)

    generator = torch.Generator().manual_seed(0)
    rank = min(RANK, *some.shape)
    basis = torch.randn(inputs.shape[1], rank, generator=generator).to(inputs)
    for _ in range(PASSES):
        basis = torch.linalg.qr(covariance_times(basis)).Q
    # (inputs that are not finite show in the loss)
    small = (basis.T @ covariance_times(basis)).nan_to_num()
    curvatures, rotation = torch.linalg.eigh((small + small.T) / 2)
    least = float(curvatures.max()) * FLOOR
    scale = float(row_curvatures.mean().clamp(min=1e-12))
    return Directions(
        center=center,
        basis=basis @ rotation,
        curvatures=scale * curvatures.clamp(min=max(least, 1e-12)),
        mean_weight=scale,
    )
