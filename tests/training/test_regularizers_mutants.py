"""What the mutation run found untested in `training.regularizers`."""

import pytest
import torch
from torch import Tensor, nn

from equipoise.training.regularizers import CriticBatch, GradientPenalty


class HalfSquare(nn.Module):
    """Its slope at an image is the image's length."""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return 0.5 * images.flatten(1).square().sum(dim=1)


def test_the_gradient_penalty_looks_all_along_the_way_between_the_images() -> None:
    """Real images of length 1 and fakes of length 4 in one direction: lengths 1 + 3 u, mean of (3 u)^2 is 3."""
    torch.manual_seed(0)
    n = 20_000
    real = torch.zeros(n, 1, 1, 2)
    real[..., 0] = 1.0
    labels = torch.zeros(n, dtype=torch.long)
    batch = CriticBatch(real=real, labels=labels, fake=4 * real, fake_labels=labels, n_classes=1)
    # 4 sd of the mean: the variance of 9 u^2 is 81 (1/5 - 1/9) = 7.2
    assert GradientPenalty(weight=1)(HalfSquare(), batch).item() == pytest.approx(3.0, abs=4 * (7.2 / n) ** 0.5)
