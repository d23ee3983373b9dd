import pytest
import torch
from torch import nn

from equipoise.networks.dropout import ByteDropout


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 255 / 256])
def test_the_share_of_zeros_and_the_mean_are_those_of_dropout(p: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(200_003)  # not whole words
    dropped = ByteDropout(p)(values)
    se = (p * (1 - p) / len(values)) ** 0.5
    assert abs((dropped == 0).float().mean() - p) <= 5 * se
    torch.testing.assert_close(
        dropped[dropped > 0], torch.full_like(dropped[dropped > 0], 1 / (1 - p))
    )


def test_values_are_dropped_independently_whatever_their_layout() -> None:
    torch.manual_seed(0)
    values = torch.ones(8, 6, 20, 20)
    for laid_out in (values, values.contiguous(memory_format=torch.channels_last), values[::2]):
        survivors = (ByteDropout(0.5)(laid_out) > 0).double()
        for axis in range(4):
            shifted = survivors.roll(1, axis)
            correlation = torch.corrcoef(torch.stack([survivors.flatten(), shifted.flatten()]))[
                0, 1
            ]
            assert abs(correlation) < 5 / survivors.numel() ** 0.5


def test_gradients_pass_where_values_stay_and_nothing_changes_in_evaluation() -> None:
    torch.manual_seed(0)
    values = torch.rand(4, 3, 5, 5, dtype=torch.bfloat16).requires_grad_()
    layer = ByteDropout(0.5)
    dropped = layer(values)
    assert dropped.dtype == torch.bfloat16
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.where(dropped > 0, 2.0, 0.0).bfloat16())
    assert layer.eval()(values) is values


def test_the_seed_of_torch_decides() -> None:
    layer = ByteDropout(0.25)
    first, second = (layer(torch.ones(100)) for _ in range(2) if torch.manual_seed(3))
    assert torch.equal(first, second)
    assert not torch.equal(first, layer(torch.ones(100)))


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_other_shares_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="multiple of 1/256"):
        ByteDropout(p)


def test_it_is_a_dropout_layer_to_whoever_asks() -> None:
    assert isinstance(ByteDropout(0.25), nn.Dropout)
