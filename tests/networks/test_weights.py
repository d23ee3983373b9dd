import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from equipoise.exceptions import SettingError, WeightsError
from equipoise.networks import weights
from equipoise.networks.backbones import densenet121, resnet18
from equipoise.networks.mobilenet import mobilenet_v2
from equipoise.networks.weights import (
    OFFICIAL,
    ImagenetInput,
    build_for_imagenet,
    download,
    load_pretrained,
    read_weights,
)


def file_of(network: nn.Module) -> dict[str, Tensor]:
    """The tensors that an official file of this network holds; old files do not count batches."""
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


def stand_in(folder: Path, content: dict[str, Tensor], *, right_hash: bool = True) -> str:
    """A file:// address whose name ends in the first digits of its SHA-256, as the official ones do."""
    path = folder / "file.pth"
    torch.save(content, path)
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8] if right_hash else "deadbeef"
    return path.rename(folder / f"net-{digits}.pth").as_uri()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_official_addresses_carry_their_checksum() -> None:
    names = {name: official.url.rsplit("/", 1)[1] for name, official in OFFICIAL.items()}
    assert names == {
        "resnet18": "resnet18-f37072fd.pth",
        "densenet121": "densenet121-a639ec97.pth",
        "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    }
    assert all(o.url.startswith("https://download.pytorch.org/models/") for o in OFFICIAL.values())


@pytest.mark.parametrize("side", [32, 64])
def test_body_is_taken_over_and_head_is_not(tmp_path: Path, side: int) -> None:
    official = resnet18(3, 1000, 224)
    save_file(file_of(official), tmp_path / "r.safetensors")
    network = build_for_imagenet("resnet18", n_classes=2, side=side)
    head = network[1].get_parameter("fc.weight").clone()
    load_pretrained(network, "resnet18", tmp_path / "r.safetensors")
    ours = network[1].state_dict()
    for name, value in official.state_dict().items():
        assert name.startswith("fc.") or torch.equal(ours[name], value)
    assert torch.equal(ours["fc.weight"], head)
    assert network(torch.rand(2, 1, side, side)).shape == (2, 2)


def test_torchvision_densenet_loads(tmp_path: Path) -> None:
    official = densenet121(3, 1000, 224)
    torch.save(torchvision_dense_names(file_of(official), old=True), tmp_path / "d.pth")
    network = build_for_imagenet("densenet121", n_classes=2, side=32)
    load_pretrained(network, "densenet121", tmp_path / "d.pth")
    features, expected = (
        network[1].get_submodule("features").state_dict(),
        official.get_submodule("features"),
    )
    assert all(torch.equal(features[name], value) for name, value in expected.state_dict().items())


@pytest.mark.parametrize("old", [True, False])
def test_torchvision_names_of_densenet_are_understood(old: bool) -> None:
    with torch.device("meta"):
        state = densenet121(3, 1000, 224).state_dict()
    theirs = torchvision_dense_names(state, old=old)
    assert (
        "features.denseblock1.denselayer1." + ("norm.1" if old else "norm1") + ".weight" in theirs
    )
    assert {OFFICIAL["densenet121"].rename(name) for name in theirs} == set(state)


def test_the_real_mobilenet_file_loads(shared: Path) -> None:
    network = build_for_imagenet("mobilenet_v2", n_classes=2, side=64).eval()
    load_pretrained(network, "mobilenet_v2", shared / "weights/mobilenet_v2-b0353104.safetensors")
    assert torch.isfinite(network(torch.rand(2, 1, 64, 64))).all()


def test_grey_images_act_like_summed_kernels() -> None:
    conv, grey = nn.Conv2d(3, 4, 3, bias=False), torch.rand(2, 1, 8, 8)
    scaled = conv.weight / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    shift = (scaled * torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    summed = nn.functional.conv2d(grey, scaled.sum(dim=1, keepdim=True), -shift)
    torch.testing.assert_close(conv(ImagenetInput()(grey)), summed, atol=1e-5, rtol=1e-5)


def test_color_images_are_normalized_channel_by_channel() -> None:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    assert ImagenetInput()(mean.expand(1, 3, 2, 2)).abs().max() == 0


def without(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != "layer1.0.conv1.weight"}


def with_stranger(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "stranger": torch.zeros(1)}


def with_grey_stem(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, r"missing: layer1\.0\.conv1\.weight \(1\)"),
        (with_stranger, r"unexpected: stranger \(1\)"),
        (with_grey_stem, r"of another shape: conv1\.weight \(1\)"),
    ],
)
def test_anything_but_the_head_must_fit(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    network = build_for_imagenet("resnet18", n_classes=2, side=64)
    save_file(change(file_of(network[1])), tmp_path / "r.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_pretrained(network, "resnet18", tmp_path / "r.safetensors")


def test_a_network_that_does_not_fit_is_left_as_it_was(tmp_path: Path) -> None:
    save_file(file_of(mobilenet_v2(3, 10, 64)), tmp_path / "m.safetensors")
    network = build_for_imagenet("resnet18", n_classes=2, side=64)
    before = network[1].get_parameter("conv1.weight").clone()
    with pytest.raises(WeightsError, match="do not fit"):
        load_pretrained(network, "resnet18", tmp_path / "m.safetensors")
    assert torch.equal(network[1].get_parameter("conv1.weight"), before)


def test_a_file_is_fetched_once_and_checked(tmp_path: Path, cache: Path) -> None:
    url = stand_in(tmp_path, {"a": torch.ones(2)})
    assert torch.equal(download(url)["a"], torch.ones(2))
    Path(url.removeprefix("file://")).unlink()
    assert torch.equal(download(url)["a"], torch.ones(2))  # from the cache


def test_imagenet_means_the_official_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = mobilenet_v2(3, 1000, 64)
    url = stand_in(tmp_path, file_of(source))
    monkeypatch.setitem(
        weights.OFFICIAL, "mobilenet_v2", weights.Official(url, "classifier.", mobilenet_v2)
    )
    network = build_for_imagenet("mobilenet_v2", n_classes=2, side=64)
    load_pretrained(network, "mobilenet_v2", "imagenet")
    assert torch.equal(
        network[1].state_dict()["features.0.0.weight"], source.state_dict()["features.0.0.weight"]
    )


def test_a_wrong_checksum_is_refused(tmp_path: Path, cache: Path) -> None:
    url = stand_in(tmp_path, {"a": torch.ones(2)}, right_hash=False)
    with pytest.raises(WeightsError, match=r"net-deadbeef\.pth: invalid hash value.*pass the file"):
        download(url)
    assert not list((cache / "hub" / "checkpoints").glob("*"))


def test_without_a_connection_it_says_what_was_tried(cache: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/net-deadbeef.pth"
    with pytest.raises(WeightsError, match=rf"{url}.*refused.*pretrained='/path/file.pth'"):
        download(url)


def test_a_damaged_cache_names_the_folder_to_delete(cache: Path) -> None:
    (cache / "hub" / "checkpoints").mkdir(parents=True)
    (cache / "hub" / "checkpoints" / "net-deadbeef.pth").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=r"or delete .*checkpoints"):
        download("http://127.0.0.1/net-deadbeef.pth")


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
def test_damaged_and_absent_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name}, found none"):
        read_weights(tmp_path / name)
    (tmp_path / name).write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match=f"Cannot read weights from .*{name}"):
        read_weights(tmp_path / name)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="expected tensors by name"):
        read_weights(tmp_path / "list.pth")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"a": nn.Linear(1, 1)}, tmp_path / "pickled.pth")
    with pytest.raises(WeightsError, match="Cannot read weights"):
        read_weights(tmp_path / "pickled.pth")


def test_networks_without_official_weights_say_so() -> None:
    with pytest.raises(SettingError, match="No network with pretrained weights named 'small_cnn'"):
        build_for_imagenet("small_cnn", n_classes=2, side=32)
