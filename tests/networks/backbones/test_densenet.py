import pytest
import torch
from torch import nn

from equipoise.networks.backbones.densenet import densenet121, densenet121_s0


def side_of_last_map(features: nn.Module, side: int) -> int:
    with torch.no_grad():
        return int(features(torch.rand(1, 3, side, side)).shape[-1])


def test_golden_densenet_features() -> None:
    features = densenet121(3, 2, 64).eval().get_submodule("features")
    assert sum(p.numel() for p in features.parameters()) == 6_953_856
    # docs/methods.md 10.1: side of the last map
    sides = [side_of_last_map(features, side) for side in (64, 96, 128, 160, 224)]
    assert sides == [2, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("expected", "first", "last"),
    [
        (2, 64, 92),
        (3, 93, 124),
        (4, 125, 156),
        (5, 157, 188),
        (6, 189, 220),
        (7, 221, 252),
        (8, 253, 284),
        (10, 317, 348),
    ],
)
def test_sides_that_give_densenet_a_last_map_of_one_side(
    expected: int, first: int, last: int
) -> None:
    """64: 2, 96: 3, 128: 4, 157-188: 5, 192: 6, 224: 7, 256: 8, 317-348: 10."""
    sides = []
    with torch.device("meta"):
        features = densenet121(3, 2, 64).eval().get_submodule("features")
        for side in (first, last, last + 1):
            sides.append(features(torch.empty(1, 3, side, side)).shape[-1])
    assert sides == [expected, expected, expected + 1]


def test_small_images_leave_a_last_map_of_several_pixels() -> None:
    assert side_of_last_map(densenet121(3, 2, 32).get_submodule("features"), 32) == 4


def test_the_head_of_paper_s0() -> None:
    plain, with_hidden_layer = densenet121(1, 2, 32), densenet121_s0(1, 2, 32)
    plain_names = plain.get_submodule("features").state_dict().keys()
    assert plain_names == with_hidden_layer.get_submodule("features").state_dict().keys()
    n_plain = sum(p.numel() for p in plain.parameters())
    n_with_hidden_layer = sum(p.numel() for p in with_hidden_layer.parameters())
    # the hidden layer; the last one is the same
    assert n_with_hidden_layer - n_plain == 1024 * 1025
