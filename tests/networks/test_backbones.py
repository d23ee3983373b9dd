import pytest
import torch
from torch import nn

from equipoise.exceptions import DataError, SettingError
from equipoise.networks.backbones import (
    NETWORKS,
    build,
    densenet121,
    densenet121_s0,
    resnet18,
    trunk_of,
)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("channels", "side"), [(1, 12), (3, 28), (1, 64)])
def test_every_network_gives_logits(name: str, channels: int, side: int) -> None:
    network = build(name, channels=channels, n_classes=3, side=side).eval()
    with torch.no_grad():
        assert network(torch.rand(2, channels, side, side + 4)).shape == (2, 3)


def last_map(features: nn.Module, side: int) -> int:
    with torch.no_grad():
        return int(features(torch.rand(1, 3, side, side)).shape[-1])


def test_golden_densenet_features() -> None:
    features = densenet121(3, 2, 64).eval().get_submodule("features")
    assert sum(p.numel() for p in features.parameters()) == 6_953_856
    # methods 10.1: side of the last map
    assert [last_map(features, side) for side in (64, 96, 128, 160, 224)] == [2, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("expected", "first", "last"), [(2, 64, 92), (3, 93, 124), (4, 125, 156), (5, 157, 188), (6, 189, 220),
                                    (7, 221, 252), (8, 253, 284), (10, 317, 348)],
)  # fmt: skip
def test_sides_that_give_densenet_a_last_map_of_one_side(
    expected: int, first: int, last: int
) -> None:
    """Methods 3.3 prints 64: 2, 96: 3, 128: 4, 157-188: 5, 192: 6, 224: 7, 256: 8 and 317-348: 10."""
    with torch.device("meta"):
        features = densenet121(3, 2, 64).eval().get_submodule("features")
        sides = [
            features(torch.empty(1, 3, side, side)).shape[-1] for side in (first, last, last + 1)
        ]
    assert sides == [expected, expected, expected + 1]


def test_resnet_has_the_parameters_that_its_official_file_has() -> None:
    assert sum(p.numel() for p in resnet18(3, 1000, 224).parameters()) == 11_689_512


@pytest.mark.parametrize("factory", [resnet18, densenet121])
def test_the_stem_is_small_below_64_px_only(factory: type[nn.Module]) -> None:
    """MONAI's own default is a 7x7 stem of stride 1 at every size: four times the work."""

    def stem(side: int, **settings: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        first = next(
            m for m in factory(1, 2, side, **settings).modules() if isinstance(m, nn.Conv2d)
        )
        return first.kernel_size, first.stride

    assert stem(63) == ((3, 3), (1, 1))
    assert stem(64) == ((7, 7), (2, 2))
    assert stem(32, small_kernel=7) == ((7, 7), (1, 1))


def test_small_images_leave_a_last_map_of_several_pixels() -> None:
    assert last_map(densenet121(3, 2, 32).get_submodule("features"), 32) == 4


def test_refuses_unknown_names_and_tiny_images() -> None:
    with pytest.raises(SettingError, match="Did you mean 'resnet18'"):
        build("resnet8", channels=1, n_classes=2, side=32)
    with pytest.raises(DataError, match="at least 12 px a side, got 1 px"):
        build("small_cnn", channels=1, n_classes=2, side=1)


@pytest.mark.parametrize(("name", "side"), [("resnet18", 64), *((name, 24) for name in NETWORKS)])
def test_the_trunk_is_all_that_comes_before_the_head(name: str, side: int) -> None:
    network = build(name, channels=1, n_classes=3, side=side).eval()
    trunk = trunk_of(network)
    seen: list[torch.Tensor] = []
    dense = dict.fromkeys(("densenet121", "densenet121_s0"), "class_layers")
    pooled = {"small_cnn": "14", "resnet18": "avgpool", **dense}
    images = torch.rand(2, 1, side, side)
    with torch.no_grad():
        if name in pooled:
            network.get_submodule(pooled[name]).register_forward_pre_hook(
                lambda _, inputs: seen.append(inputs[0].clone())
            )
            network(images)
        else:  # mobilenet_v2 takes the mean over the map itself
            seen.append(network.get_submodule("features")(images))
        assert torch.equal(trunk(images), seen[0])
    assert seen[0].ndim == 4
    heads = {
        key
        for key in network.state_dict()
        if key.startswith(("fc.", "class_layers.", "classifier.", "17."))
    }
    assert len(trunk.state_dict()) == len(network.state_dict()) - len(heads)


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121"])
def test_weights_put_into_the_trunk_are_in_the_network_and_nowhere_else(name: str) -> None:
    network, other = (build(name, channels=1, n_classes=2, side=16).eval() for _ in range(2))
    stored = {key: value.clone() for key, value in trunk_of(other).state_dict().items()}
    trunk_of(network).load_state_dict(stored)
    with torch.no_grad():
        images = torch.rand(1, 1, 16, 16)
        assert torch.equal(trunk_of(network)(images), trunk_of(other)(images))
        next(trunk_of(network).parameters()).zero_()
    assert all(
        torch.equal(value, stored[key]) for key, value in trunk_of(other).state_dict().items()
    )


def test_the_head_of_paper_s0() -> None:
    plain, ours = densenet121(1, 2, 32), densenet121_s0(1, 2, 32)
    assert (
        plain.get_submodule("features").state_dict().keys()
        == ours.get_submodule("features").state_dict().keys()
    )
    extra = sum(p.numel() for p in ours.parameters()) - sum(p.numel() for p in plain.parameters())
    assert extra == 1024 * 1025  # the hidden layer; the last one is the same
