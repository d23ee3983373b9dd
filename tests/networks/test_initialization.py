"""Initial weights: DCGAN (Radford et al., 2016), Keras, He and Xavier."""

import pytest
import torch
from torch import nn

from equipoise.networks.initialization import dcgan, keras, xavier


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


def test_dcgan_accepts_a_batch_norm_without_weights() -> None:
    assert nn.BatchNorm2d(4, affine=False).apply(dcgan).weight is None


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (nn.Conv2d(30, 20, 3), (2 * 6 / (9 * 50)) ** 0.5),
        (nn.ConvTranspose2d(30, 20, 4), (2 * 6 / (16 * 50)) ** 0.5),
        (nn.Conv2d(30, 20, 1), (6 / 50) ** 0.5),
        (nn.Linear(30, 20), (6 / 50) ** 0.5),
    ],
)
def test_xavier_bounds(layer: nn.Module, bound: float) -> None:
    layer.apply(xavier)
    weight = layer.get_parameter("weight")
    assert weight.abs().max().item() == pytest.approx(bound, rel=0.02)
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert not layer.get_parameter("bias").any()
