from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from equipoise.exceptions import WeightsError
from equipoise.networks.backbones import BACKBONES, find_backbone
from equipoise.networks.backbones.densenet import XRV_ALL, densenet121, from_torchvision
from equipoise.networks.backbones.mobilenet import mobilenet_v2
from equipoise.networks.backbones.resnet import (
    RADIMAGENET_LAYERS,
    from_radimagenet,
    resnet18,
    resnet50,
)
from equipoise.networks.weights import InputNormalization

RESNET = find_backbone("resnet18")
DENSENET = find_backbone("densenet121")
MOBILENET = find_backbone("mobilenet_v2")


def file_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors in an official file of this network; old files do not count batches."""
    state = network.state_dict()
    return {k: v.clone() for k, v in state.items() if "num_batches" not in k}


def torchvision_dense_names(state: dict[str, Tensor], *, old: bool) -> dict[str, Tensor]:
    """Name DenseNet parameters as torchvision does; its oldest files write norm.1 for norm1."""
    dot = "." if old else ""
    names = {k: k.replace("class_layers.out.", "classifier.") for k in state}
    for kind in ("norm", "conv"):
        for number in "12":
            ours, theirs = f".layers.{kind}{number}.", f".{kind}{dot}{number}."
            names = {k: v.replace(ours, theirs) for k, v in names.items()}
    return {names[k]: v for k, v in state.items()}


def test_imagenet_weights_are_torchvisions_and_begin_with_the_digits_in_their_name() -> None:
    names = {}
    for backbone in BACKBONES.values():
        if "imagenet" not in backbone.weights:
            continue
        weights = backbone.weights["imagenet"]
        assert weights.url.startswith("https://download.pytorch.org/models/")
        names[backbone.name] = weights.url.rsplit("/", 1)[1]
        assert len(weights.sha256) == 64
        assert weights.url.endswith(f"-{weights.sha256[:8]}.pth")
    assert names == {
        "resnet18": "resnet18-f37072fd.pth",
        "resnet50": "resnet50-0676ba61.pth",
        "densenet121": "densenet121-a639ec97.pth",
        "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    }


def test_radimagenet_numbers_its_layers() -> None:
    with torch.device("meta"):
        names = set(resnet50(3, 2, 224).state_dict())
    numbers = {value: key for key, value in RADIMAGENET_LAYERS.items()}
    for name in names:
        layer, _, rest = name.partition(".")
        if layer != "fc":
            assert from_radimagenet(f"backbone.{numbers[layer]}.{rest}") == name
            assert from_radimagenet(f"module.backbone.{numbers[layer]}.{rest}") == name
        assert from_radimagenet(name) == name


def test_films_are_read_as_torchxrayvision_reads_them(tmp_path: Path) -> None:
    """Gray images in [-1024, 1024]; color is averaged; the thresholds of findings are dropped."""
    official = densenet121(1, 18, 224).eval()
    state = torchvision_dense_names(file_of(official), old=False)
    torch.save({**state, "op_threshs": torch.ones(18)}, tmp_path / Path(XRV_ALL))
    network = DENSENET.build_pretrained(2, 64, "xrv_all").eval()
    DENSENET.load_weights(network, tmp_path / XRV_ALL)
    images = torch.rand(2, 3, 64, 64)
    films = 2048 * images.mean(dim=1, keepdim=True) - 1024
    with torch.no_grad():
        expected = DENSENET.features(official, films)
        torch.testing.assert_close(DENSENET.features(network, images), expected)


def test_a_local_file_with_an_official_name_is_described_by_that_record(tmp_path: Path) -> None:
    assert DENSENET.weights_record(tmp_path / XRV_ALL) is DENSENET.weights["xrv_all"]
    renamed = tmp_path / Path(XRV_ALL).with_suffix(".safetensors")
    assert DENSENET.weights_record(renamed) is DENSENET.weights["xrv_all"]
    assert DENSENET.weights_record("mine.pth") is DENSENET.weights["imagenet"]
    assert DENSENET.weights_record("official") is DENSENET.weights["imagenet"]


@pytest.mark.parametrize("side", [32, 64])
def test_body_is_loaded_and_head_is_not(tmp_path: Path, side: int) -> None:
    official = resnet18(3, 1000, 224)
    save_file(file_of(official), tmp_path / "r.safetensors")
    network = RESNET.build_pretrained(2, side)
    head = network[1].get_parameter("fc.weight").clone()
    RESNET.load_weights(network, tmp_path / "r.safetensors")
    loaded = network[1].state_dict()
    for name, value in official.state_dict().items():
        assert name.startswith("fc.") or torch.equal(loaded[name], value)
    assert torch.equal(loaded["fc.weight"], head)
    assert network(torch.rand(2, 1, side, side)).shape == (2, 2)


def test_torchvision_densenet_loads(tmp_path: Path) -> None:
    official = densenet121(3, 1000, 224)
    torch.save(torchvision_dense_names(file_of(official), old=True), tmp_path / "d.pth")
    network = DENSENET.build_pretrained(2, 32)
    DENSENET.load_weights(network, tmp_path / "d.pth")
    loaded = network[1].get_submodule("features").state_dict()
    for name, value in official.get_submodule("features").state_dict().items():
        assert torch.equal(loaded[name], value)


@pytest.mark.parametrize("old", [True, False])
def test_torchvision_names_of_densenet_are_understood(old: bool) -> None:
    with torch.device("meta"):
        state = densenet121(3, 1000, 224).state_dict()
    theirs = torchvision_dense_names(state, old=old)
    name = "features.denseblock1.denselayer1." + ("norm.1" if old else "norm1") + ".weight"
    assert name in theirs
    assert {from_torchvision(name) for name in theirs} == set(state)


def test_the_real_mobilenet_file_loads(shared: Path) -> None:
    network = MOBILENET.build_pretrained(2, 64).eval()
    MOBILENET.load_weights(network, shared / "weights/mobilenet_v2-b0353104.safetensors")
    assert torch.isfinite(network(torch.rand(2, 1, 64, 64))).all()


def test_gray_images_act_like_summed_kernels() -> None:
    conv, gray = nn.Conv2d(3, 4, 3, bias=False), torch.rand(2, 1, 8, 8)
    scaled = conv.weight / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    shift = (scaled * torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    summed = nn.functional.conv2d(gray, scaled.sum(dim=1, keepdim=True), -shift)
    torch.testing.assert_close(conv(InputNormalization()(gray)), summed, atol=1e-5, rtol=1e-5)


def test_color_images_are_normalized_channel_by_channel() -> None:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    assert InputNormalization()(mean.expand(1, 3, 2, 2)).abs().max() == 0


def without(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != "layer1.0.conv1.weight"}


def with_stranger(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "stranger": torch.zeros(1)}


def with_gray_stem(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, r"missing: layer1\.0\.conv1\.weight \(1\)"),
        (with_stranger, r"unexpected: stranger \(1\)"),
        (
            with_gray_stem,
            r"of another shape: conv1\.weight \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)",
        ),
    ],
)
def test_anything_but_the_head_must_fit(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    network = RESNET.build_pretrained(2, 64)
    save_file(change(file_of(network[1])), tmp_path / "r.safetensors")
    with pytest.raises(WeightsError, match=message):
        RESNET.load_weights(network, tmp_path / "r.safetensors")


def test_a_network_that_does_not_fit_is_left_as_it_was(tmp_path: Path) -> None:
    save_file(file_of(mobilenet_v2(3, 10, 64)), tmp_path / "m.safetensors")
    network = RESNET.build_pretrained(2, 64)
    before = network[1].get_parameter("conv1.weight").clone()
    with pytest.raises(WeightsError, match="do not fit"):
        RESNET.load_weights(network, tmp_path / "m.safetensors")
    assert torch.equal(network[1].get_parameter("conv1.weight"), before)


@pytest.mark.parametrize("source", ["imagenet", "official"])
def test_a_name_means_the_official_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    torch.manual_seed(1)
    network = mobilenet_v2(3, 1000, 64)
    torch.save(file_of(network), tmp_path / "net.pth")
    weights = replace(MOBILENET.weights["imagenet"], url="https://example.org/net.pth", sha256="")
    backbone = replace(MOBILENET, weights={"imagenet": weights})
    backbone.check_weights(source)
    pretrained = backbone.build_pretrained(2, 64, source)
    backbone.load_weights(pretrained, source)
    name = "features.0.0.weight"
    assert torch.equal(pretrained[1].state_dict()[name], network.state_dict()[name])


def test_an_unknown_name_of_weights_is_answered_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match=r"'imagnet'.*'imagenet'"):
        RESNET.check_weights("imagnet")
    with pytest.raises(WeightsError, match="40 digits"):
        RESNET.check_weights("hf://timm/resnet18.a1_in1k@main/model.safetensors")
