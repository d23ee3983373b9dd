"""First weights (methods 1.5)."""

import pytest
import torch
from torch import nn

from equipoise.networks.initialization import dcgan, keras


@pytest.mark.parametrize("layer", [nn.Conv2d(64, 64, 4), nn.ConvTranspose2d(64, 64, 4)])
def test_dcgan_convolutions(layer: nn.Module) -> None:
    layer.apply(dcgan)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert weight.mean().item() == pytest.approx(0.0, abs=1e-3)
    assert not bias.any()


def test_dcgan_batch_norm_weights_lie_around_1() -> None:
    norm = nn.BatchNorm2d(4000).apply(dcgan)
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=2e-3)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_keras_bounds() -> None:
    linear = nn.Linear(100, 50).apply(keras)
    assert linear.weight.abs().max().item() == pytest.approx((6 / 150) ** 0.5, rel=0.02)
    assert not linear.bias.any()
    embedding = nn.Embedding(100, 50).apply(keras)
    assert embedding.weight.abs().max().item() == pytest.approx(0.05, rel=0.02)


def test_dcgan_leaves_embeddings_alone() -> None:
    embedding = nn.Embedding(3, 5)
    before = embedding.weight.detach().clone()
    assert torch.equal(embedding.apply(dcgan).weight, before)
