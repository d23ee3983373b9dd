"""What the mutation run found untested in `training.variational`."""

import pytest
import torch
from torch import Tensor, nn

from equipoise.training.variational import VariationalStep, sigma_vae


class Fixed(nn.Module):
    """Encodes every image as N(2, e^-1) in each of 12 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.gray = nn.Parameter(torch.zeros(()))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (b, ...) to mean and log variance (b, 3, 2, 2)."""
        mean = images.new_full((len(images), 3, 2, 2), 2.0) + 0 * self.gray
        return mean, mean - 3.0

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents to gray images (b, 1, 4, 4)."""
        return self.gray.expand(len(latents), 1, 4, 4)


def test_reconstruction_and_divergence_are_both_summed_over_an_image() -> None:
    network = Fixed()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    step = VariationalStep(network=network, optimizer=optimizer, reconstruction=sigma_vae, beta=0.5)
    found = step(torch.rand(5, 1, 4, 4), torch.zeros(5))
    # methods 10.4: the divergence of N(2, e^-1) is 2.18394 in a cell
    assert float(found["loss"] - found["reconstruction"]) == pytest.approx(0.5 * 12 * 2.18394, rel=1e-4)
