import pytest
import torch
from torch import Tensor, nn

from equipoise.networks.backbones.small_cnn import small_cnn


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def sides(network: nn.Sequential, side: int) -> list[int]:
    """Return the sides of the feature maps, each listed once."""
    maps: Tensor = torch.zeros(1, 3, side, side)
    map_sides: list[int] = []
    for layer in network:
        maps = layer(maps)
        if maps.ndim == 4 and (not map_sides or map_sides[-1] != maps.shape[-1]):
            map_sides.append(maps.shape[-1])
    return map_sides


def test_golden_parameters_and_shapes_of_paper_s4() -> None:
    network = small_cnn(3, 1, 32)
    assert n_parameters(network) == 108_225
    assert [n_parameters(m) for m in network if n_parameters(m)] == [
        896,
        8_256,
        32_896,
        65_664,
        513,
    ]
    assert sides(network.eval(), 32) == [32, 16, 15, 8, 7, 3, 2]


def test_the_last_average_changes_nothing_at_32_px() -> None:
    maps = torch.randn(2, 128, 2, 2)
    torch.testing.assert_close(nn.AdaptiveAvgPool2d(2)(maps), maps)


@pytest.mark.parametrize(
    "shape", [(12, 12), (16, 16), (19, 31), (20, 20), (28, 28), (64, 64), (48, 80)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_gives_logits(channels: int, shape: tuple[int, int]) -> None:
    network = small_cnn(channels, 7, min(shape))
    assert network(torch.rand(2, channels, *shape)).shape == (2, 7)
