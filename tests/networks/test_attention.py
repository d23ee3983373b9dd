"""Self-attention of SAGAN (Zhang et al., 2019)."""

import pytest
import torch
from torch.nn import functional

from equipoise.networks.attention import SelfAttention, attention_side
from equipoise.networks.sizes import valid_sizes


def test_nothing_is_added_at_the_start() -> None:
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(SelfAttention(16)(x), x)


def test_against_the_fused_attention_of_torch() -> None:
    layer, x = SelfAttention(16), torch.randn(2, 16, 6, 8)
    layer.gamma.data.fill_(0.5)
    keys, values = (functional.max_pool2d(f(x), 2).flatten(2).mT for f in (layer.phi, layer.g))
    attended = functional.scaled_dot_product_attention(
        layer.theta(x).flatten(2).mT, keys, values, scale=1.0
    )
    expected = x + 0.5 * layer.o(attended.mT.reshape(2, 8, 6, 8))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_channels_of_the_four_maps(channels: int) -> None:
    layer = SelfAttention(channels)
    shapes = {name: tuple(p.shape[:2]) for name, p in layer.named_parameters() if name != "gamma"}
    narrow, half = max(1, channels // 8), max(1, channels // 2)
    assert shapes == {
        "theta.weight": (narrow, channels),
        "phi.weight": (narrow, channels),
        "g.weight": (half, channels),
        "o.weight": (channels, half),
    }


def test_a_gradient_penalty_can_be_differentiated() -> None:
    layer, x = (
        SelfAttention(8).double(),
        torch.randn(1, 8, 4, 4, dtype=torch.float64, requires_grad=True),
    )
    layer.gamma.data.fill_(1.0)
    assert torch.autograd.gradgradcheck(lambda t: layer(t).tanh(), (x,))


@pytest.mark.parametrize("size", valid_sizes())
def test_the_largest_map_up_to_32_below_the_image(size: int) -> None:
    side = attention_side(size)
    assert side <= min(32, size // 2) < 2 * side
    assert size % side == 0


def test_sides_of_methods_9_3() -> None:
    assert [attention_side(size) for size in (32, 64, 128, 256)] == [16, 32, 32, 32]
