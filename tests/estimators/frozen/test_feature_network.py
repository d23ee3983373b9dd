import pytest
import torch
from torch import nn

from equipoise.estimators.frozen.feature_network import (
    FeatureDescription,
    FeatureNetwork,
    feature_network,
    middle_layer,
)
from equipoise.exceptions import SettingError
from equipoise.networks.backbone import Backbone

BOTH = FeatureDescription(
    network="small_cnn+mobilenet_v2",
    pretrained="random",
    layers=("penultimate", "middle"),
    side=None,
    device="cpu",
)


def test_several_networks_are_concatenated() -> None:
    shape = (1, 32, 32)
    joined, digest = feature_network(BOTH, shape)
    singles = [feature_network(part, shape) for part in BOTH.parts]
    images = torch.rand(3, *shape)
    expected = torch.cat([network(images) for network, _ in singles], dim=1)
    assert torch.equal(joined(images), expected)
    assert joined.blocks == tuple(network.dimension for network, _ in singles)
    assert digest not in {single for _, single in singles}


def test_each_network_has_its_weights() -> None:
    with_both = FeatureDescription(
        network="a+b", pretrained="official+/w/b.pth", layers=(), side=None, device="cpu"
    )
    parts = [(part.network, part.pretrained) for part in with_both.parts]
    assert parts == [("a", "official"), ("b", "/w/b.pth")]
    path = FeatureDescription(
        network="a", pretrained="/w/c++/b.pth", layers=(), side=None, device="cpu"
    )
    assert [part.pretrained for part in path.parts] == ["/w/c++/b.pth"]
    three = FeatureDescription(
        network="a+b", pretrained="x+y+z", layers=(), side=None, device="cpu"
    )
    with pytest.raises(SettingError, match="2"):
        _ = three.parts


def test_a_network_without_maps_of_several_sizes_has_its_last_features_alone() -> None:
    def flat(_channels: int, n_classes: int, _side: int) -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, n_classes))

    backbone = Backbone(
        name="flat", summary="", source="", build=flat, trunk=nn.Identity(), head="2", last_map=None
    )
    shape = (1, 8, 8)
    assert middle_layer(flat(1, 2, 8), torch.zeros(1, *shape)) is None
    features = FeatureNetwork(
        backbone, flat(1, 2, 8), layers=("penultimate", "middle"), side=None, shape=shape
    )
    assert (features.layers, features.dimension) == (("penultimate",), 1)
    with pytest.raises(SettingError, match="penultimate"):
        FeatureNetwork(backbone, flat(1, 2, 8), layers=("middle",), side=None, shape=shape)
