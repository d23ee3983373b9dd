"""Every registered backbone behaves as its record declares."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from equipoise.exceptions import DataError, SettingError
from equipoise.networks.backbones import BACKBONES, FAMILY, build, find_backbone

WEIGHTS = [(b.name, name) for b in BACKBONES.values() for name in b.weights]


def network_of(name: str, side: int = 16) -> nn.Module:
    torch.manual_seed(0)
    return build(name, channels=1, n_classes=3, side=side)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(("channels", "side"), [(1, 12), (3, 28), (1, 64)])
def test_every_network_gives_logits(name: str, channels: int, side: int) -> None:
    network = build(name, channels=channels, n_classes=3, side=side).eval()
    with torch.no_grad():
        assert network(torch.rand(2, channels, side, side + 4)).shape == (2, 3)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_record_is_complete(name: str) -> None:
    backbone = find_backbone(name)
    assert backbone.name == name
    assert backbone.summary.endswith(".")
    assert backbone.source


@pytest.mark.parametrize(("name", "side"), [("resnet18", 64), *((name, 24) for name in BACKBONES)])
def test_the_trunk_is_all_that_comes_before_the_head(name: str, side: int) -> None:
    network = network_of(name, side).eval()
    trunk = find_backbone(name).trunk(network)
    images = torch.rand(2, 1, side, side)
    pooled = {
        "small_cnn": "14",
        "resnet18": "avgpool",
        "resnet50": "avgpool",
        "densenet121": "class_layers",
        "densenet121_s0": "class_layers",
    }
    inputs_seen: list[Tensor] = []
    with torch.no_grad():
        if name in pooled:
            network.get_submodule(pooled[name]).register_forward_pre_hook(
                lambda _, inputs: inputs_seen.append(inputs[0].clone())
            )
            network(images)
        else:  # mobilenet_v2 takes the mean over the map itself
            inputs_seen.append(network.get_submodule("features")(images))
        assert torch.equal(trunk(images), inputs_seen[0])
    assert inputs_seen[0].ndim == 4
    prefixes = ("fc.", "class_layers.", "classifier.", "17.")
    n_head = sum(key.startswith(prefixes) for key in network.state_dict())
    assert len(trunk.state_dict()) == len(network.state_dict()) - n_head


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_loaded_into_the_trunk_are_in_the_network_and_nowhere_else(name: str) -> None:
    backbone = find_backbone(name)
    network, other = (network_of(name).eval() for _ in range(2))
    stored = {key: v.clone() for key, v in backbone.trunk(other).state_dict().items()}
    backbone.trunk(network).load_state_dict(stored)
    images = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(backbone.trunk(network)(images), backbone.trunk(other)(images))
        next(backbone.trunk(network).parameters()).zero_()
    for key, value in backbone.trunk(other).state_dict().items():
        assert torch.equal(value, stored[key])


def maps_of(name: str) -> tuple[Tensor, Tensor]:
    """Return the last map that Grad-CAM reads, and that of the trunk."""
    backbone, network = find_backbone(name), network_of(name).eval()
    images = torch.rand(2, 1, 16, 16)
    maps: list[Tensor] = []
    backbone.last_map_of(network).register_forward_hook(
        lambda _layer, _inputs, output: maps.append(output.clone())
    )
    with torch.no_grad():
        network(images)
        return maps[0], backbone.trunk(network)(images)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_last_map_is_that_of_the_trunk(name: str) -> None:
    """Behind its ReLU, in a network that ends with one."""
    last_map, trunk_map = maps_of(name)
    assert torch.equal(last_map, trunk_map) or torch.equal(last_map, trunk_map.relu())


@pytest.mark.parametrize(
    "name", ["small_cnn", "resnet18", "resnet50", "densenet121", "densenet121_s0", "mobilenet_v2"]
)
def test_the_last_map_is_behind_the_relu(name: str) -> None:
    last_map, trunk_map = maps_of(name)
    assert torch.equal(last_map, trunk_map.relu())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_head_of_the_features_gives_the_logits(name: str) -> None:
    backbone, network, images = (
        find_backbone(name),
        network_of(name).eval(),
        torch.rand(2, 1, 16, 16),
    )
    head = backbone.head_of(network)
    with torch.no_grad():
        features = backbone.features(network, images)
        assert features.shape == (2, head.in_features)
        assert torch.equal(head(features), network(images))


@pytest.mark.parametrize("name", BACKBONES)
def test_a_cosine_head_gives_cosines(name: str) -> None:
    backbone, network, images = find_backbone(name), network_of(name), torch.rand(2, 1, 16, 16)
    backbone.replace_head(network, "cosine")
    network.eval()
    with torch.no_grad():
        features, logits = backbone.features(network, images), network(images)
    directions = normalize(backbone.head_of(network).weight.double(), dim=1)
    angles = normalize(features.double(), dim=1) @ directions.T
    torch.testing.assert_close(logits.double(), angles, atol=1e-5, rtol=0)
    assert backbone.head_of(network).bias is None
    assert f"{backbone.head}.bias" not in network.state_dict()


@pytest.mark.parametrize(("name", "weights"), WEIGHTS)
def test_every_weights_record_fits_its_network(name: str, weights: str) -> None:
    """The head is left out by its prefix; features of gray images keep their size."""
    backbone = find_backbone(name)
    record = backbone.weights[weights]
    assert backbone.head.startswith(record.head.rstrip("."))
    assert record.sha256 == "" or len(record.sha256) == 64
    assert record.license
    network = backbone.build_pretrained(3, 32, weights).eval()
    with torch.no_grad():
        features = backbone.features(network, torch.rand(2, 1, 32, 32))
    assert features.shape == (2, backbone.head_of(network).in_features)


def test_refuses_unknown_names_and_tiny_images() -> None:
    with pytest.raises(SettingError, match="'resnet18'"):
        build("resnet8", channels=1, n_classes=2, side=32)
    with pytest.raises(DataError, match=r"12 px.*small_cnn.* 11 px"):
        build("small_cnn", channels=1, n_classes=2, side=11)


def test_records_are_sent_to_other_processes_by_name() -> None:
    for name in ("densenet121", "monai:resnet10"):
        record = find_backbone(name)
        assert pickle.loads(pickle.dumps(record)) is record
        assert deepcopy(record) is record


def test_the_list_names_ours_monais_and_the_way_to_timms() -> None:
    lines = FAMILY.lines()
    assert {"small_cnn", "resnet50", "monai:seresnet50", "timm:NAME", "MODULE:RECORD"} <= set(lines)
    assert "equipoise[timm]" in lines["timm:NAME"]
