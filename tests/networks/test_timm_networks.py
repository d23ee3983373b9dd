"""Networks of timm: a stand-in shows every path, the real package where it is installed."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.grad_cam import class_maps
from equipoise.exceptions import DataError, SettingError
from equipoise.networks.backbones import build, find_backbone
from equipoise.networks.timm_networks import build_timm, import_timm, probe

REAL = (
    "timm:resnet18.a1_in1k",
    "timm:convnext_tiny.fb_in22k",
    "timm:mobilenetv3_small_050",
    "timm:vit_tiny_patch16_224",
    "timm:swin_tiny_patch4_window7_224",
)


# --- the stand-in ---


def test_the_parts_of_a_network_are_found(fake_timm: ModuleType) -> None:
    layout = probe("tiny")
    assert (layout.head, layout.last_map, layout.has_map) == ("head.fc", "stem", True)
    tokens = probe("tokens")
    assert (tokens.head, tokens.last_map, tokens.has_map) == ("head", None, False)
    assert probe("backwards").last_map is None
    assert probe("backwards").channels_last


@pytest.mark.parametrize("name", ["timm:tiny", "timm:tiny.in1k", "timm:backwards"])
def test_the_trunk_ends_in_a_map_and_shares_its_layers(fake_timm: ModuleType, name: str) -> None:
    backbone = find_backbone(name)
    network = build(name, channels=1, n_classes=3, side=24).eval()
    trunk = backbone.trunk(network)
    images = torch.rand(2, 1, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(
            trunk(images).mean(dim=(2, 3)), backbone.features(network, images)
        )
        assert set(trunk.state_dict()) == {"body.stem.0.weight", "body.stem.0.bias"}
        next(trunk.parameters()).zero_()
        assert not network.get_parameter("stem.0.weight").any()
    assert backbone.head_of(network).out_features == 3


def test_sides_are_those_on_which_it_runs(fake_timm: ModuleType) -> None:
    find_backbone("timm:tiny").check_side(12)
    with pytest.raises(DataError, match=r"12 px.*timm:tiny.* 8 px"):
        find_backbone("timm:tiny").check_side(8)
    tokens = find_backbone("timm:tokens")
    tokens.check_side(32)
    tokens.check_side(48)
    with pytest.raises(DataError, match=r"'timm:tokens'.* 50 px.*--size 48"):
        tokens.check_side(50)
    with pytest.raises(DataError, match=r"'timm:tokens'.* 50 px.*--size 32"):
        build_timm("tokens", 1, 2, 50)


def test_what_cannot_be_a_classifier_is_refused(fake_timm: ModuleType) -> None:
    with pytest.raises(SettingError, match=r"'timm:conv_head' ends in a Conv2d"):
        find_backbone("timm:conv_head")
    tokens = find_backbone("timm:tokens")
    with pytest.raises(SettingError, match=r"'timm:tokens'.*VAE"):
        tokens.trunk(build("timm:tokens", channels=1, n_classes=2, side=32))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("timm:tinny", "'timm:tiny'"), ("timm:tiny.in2k", "'timm:tiny.in1k'"), ("timm:", "Nearest")],
)
def test_unknown_names_are_answered_with_near_ones(
    fake_timm: ModuleType, name: str, nearest: str
) -> None:
    with pytest.raises(SettingError, match=f"timm 0.0 has no .*{nearest}"):
        find_backbone(name)


def test_a_classifier_trains_with_one(fake_timm: ModuleType, toy: ImageDataset) -> None:
    fitted = ImageClassifier(network="timm:tiny", n_steps=2, batch_size=8, device="cpu")
    scores = fitted.fit(toy.images, toy.labels).predict_proba(toy.images[:3])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-6)
    assert fitted.head_ is fitted.network_.get_submodule("head.fc")


def test_without_timm_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SettingError, match=r"equipoise\[timm\]"):
        import_timm()


def test_a_torchvision_of_another_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist\nand more")

    monkeypatch.setattr("equipoise.networks.timm_networks.import_module", broken)
    with pytest.raises(SettingError, match=r"torchvision::nms does not exist\. Most often"):
        import_timm()


# --- the real package ---


@pytest.mark.parametrize("name", REAL)
def test_features_and_logits_are_those_of_timm(real_timm: ModuleType, name: str) -> None:
    backbone = find_backbone(name)
    torch.manual_seed(0)
    network = build(name, channels=3, n_classes=3, side=64).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        theirs = network.forward_head(network.forward_features(images), pre_logits=True)  # type: ignore[operator]
        torch.testing.assert_close(backbone.features(network, images), theirs)
        assert network(images).shape == (2, 3)
    assert backbone.head_of(network) is network.get_classifier()  # type: ignore[operator]
    if backbone.last_map is not None:
        layer = backbone.last_map_of(network)
        assert class_maps(network, layer, images, torch.tensor([0, 1])).ndim == 3


def test_real_names_sides_and_statistics(real_timm: ModuleType) -> None:
    convnext = find_backbone("timm:convnext_tiny.fb_in22k")
    assert convnext.head == "head.fc"
    assert convnext.weights["fb_in22k"].url.startswith("hf://timm/convnext_tiny.fb_in22k@main/")
    assert convnext.weights["fb_in22k"].license == "apache-2.0"
    with pytest.raises(DataError, match=r"16 px.*--size"):
        convnext.check_side(16)
    lite = find_backbone("timm:tf_efficientnet_lite0.in1k").weights["in1k"]
    assert lite.sha256 == "0aa007d2"
    assert lite.statistics.mean == (0.5, 0.5, 0.5)
    assert find_backbone("timm:vit_tiny_patch16_224").last_map is None
    with pytest.raises(SettingError, match="'timm:convnext_tiny'"):
        find_backbone("timm:convnext_tinny")
    with pytest.raises(SettingError, match=r"'timm:convnext_tiny\.fb_in22k'"):
        find_backbone("timm:convnext_tiny.fb_in23k")
    with pytest.raises(SettingError, match="several last layers"):
        find_backbone("timm:levit_128s")
