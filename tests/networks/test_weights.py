import hashlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from equipoise.exceptions import WeightsError
from equipoise.networks.backbones import BACKBONES, find_backbone
from equipoise.networks.backbones.densenet import densenet121, from_torchvision
from equipoise.networks.backbones.mobilenet import mobilenet_v2
from equipoise.networks.backbones.resnet import resnet18
from equipoise.networks.weights import InputNormalization, download, read_weights

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


def stand_in(folder: Path, content: dict[str, Tensor]) -> tuple[str, str]:
    """Write a weights file; return its file:// address and the first digits of its SHA-256."""
    path = folder / "net.pth"
    torch.save(content, path)
    return path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()[:8]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_official_addresses() -> None:
    names = {}
    for backbone in BACKBONES.values():
        for weights in backbone.weights.values():
            assert weights.url.startswith("https://download.pytorch.org/models/")
            names[backbone.name] = weights.url.rsplit("/", 1)[1]
    assert names == {
        "resnet18": "resnet18-f37072fd.pth",
        "densenet121": "densenet121-a639ec97.pth",
        "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    }


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
        (with_gray_stem, r"of another shape: conv1\.weight \(1\)"),
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


def test_a_file_is_downloaded_once_and_checked(tmp_path: Path, cache: Path) -> None:
    url, digits = stand_in(tmp_path, {"a": torch.ones(2)})
    assert torch.equal(download(url, digits)["a"], torch.ones(2))
    Path(url.removeprefix("file://")).unlink()
    assert torch.equal(download(url, digits)["a"], torch.ones(2))  # from the cache


def test_imagenet_means_the_official_file(tmp_path: Path, cache: Path) -> None:
    source = mobilenet_v2(3, 1000, 64)
    url, digits = stand_in(tmp_path, file_of(source))
    weights = replace(MOBILENET.weights["imagenet"], url=url, sha256=digits)
    backbone = replace(MOBILENET, weights={"imagenet": weights})
    network = backbone.build_pretrained(2, 64)
    backbone.load_weights(network, "imagenet")
    name = "features.0.0.weight"
    assert torch.equal(network[1].state_dict()[name], source.state_dict()[name])


def test_a_wrong_checksum_is_refused(tmp_path: Path, cache: Path) -> None:
    url, _ = stand_in(tmp_path, {"a": torch.ones(2)})
    with pytest.raises(WeightsError, match=r"invalid hash value.*deadbeef"):
        download(url, "deadbeef")
    assert not list((cache / "hub" / "checkpoints").glob("*"))


def test_without_a_connection_it_says_what_was_tried(cache: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/net-deadbeef.pth"
    with pytest.raises(WeightsError, match=rf"{url}.*refused.*pretrained="):
        download(url, "deadbeef")


def test_a_damaged_cache_names_the_folder_to_delete(cache: Path) -> None:
    (cache / "hub" / "checkpoints").mkdir(parents=True)
    (cache / "hub" / "checkpoints" / "net-deadbeef.pth").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=r"delete .*checkpoints"):
        download("http://127.0.0.1/net-deadbeef.pth", "deadbeef")


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
def test_damaged_and_absent_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name}, found none"):
        read_weights(tmp_path / name)
    (tmp_path / name).write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match=f"Cannot read .*{name}"):
        read_weights(tmp_path / name)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="tensors by name"):
        read_weights(tmp_path / "list.pth")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"a": nn.Linear(1, 1)}, tmp_path / "pickled.pth")
    with pytest.raises(WeightsError, match=r"pickled\.pth"):
        read_weights(tmp_path / "pickled.pth")
