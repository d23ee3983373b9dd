"""Pretrained ImageNet weights: the official file by URL and checksum, or a local one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError, WeightsError
from equipoise.networks.backbones import Factory, densenet121, resnet18
from equipoise.networks.mobilenet import mobilenet_v2

State = Mapping[str, Tensor]

_OLD_DENSE = re.compile(r"(denselayer\d+)\.(norm|conv)\.?([12])\.")


def _monai_dense_name(name: str) -> str:
    """Map torchvision's DenseNet names (of any age) to MONAI's: denselayer1.norm.1 -> denselayer1.layers.norm1."""
    return _OLD_DENSE.sub(r"\1.layers.\2\3.", name).replace("classifier.", "class_layers.out.")


@dataclass(frozen=True)
class Official:
    """Where the official weights of a network are, and how they fit ours.

    Attributes:
        url: The file; its name ends in the first eight digits of its SHA-256.
        head: Prefix of the parameters that are not taken over: other classes.
        factory: Builds the network with the stem kernel of the file at every size.
        rename: Maps a name in the file to ours.
    """

    url: str
    head: str
    factory: Factory
    rename: Callable[[str], str] = str


_HUB = "https://download.pytorch.org/models"

OFFICIAL: dict[str, Official] = {
    "resnet18": Official(f"{_HUB}/resnet18-f37072fd.pth", "fc.", partial(resnet18, small_kernel=7)),
    "densenet121": Official(
        f"{_HUB}/densenet121-a639ec97.pth",
        "class_layers.out.",
        partial(densenet121, small_kernel=7),
        _monai_dense_name,
    ),
    "mobilenet_v2": Official(f"{_HUB}/mobilenet_v2-b0353104.pth", "classifier.", mobilenet_v2),
}


class ImagenetInput(nn.Module):
    """Gives a network what it saw on ImageNet: three channels, each minus its mean, over its deviation.

    A grey image is repeated in the three channels, which is exactly the sum of the first kernel over its inputs
    and needs no other weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        shape = (1, 3, 1, 1)
        self.register_buffer(
            "mean", torch.tensor([0.485, 0.456, 0.406]).view(shape), persistent=False
        )
        self.register_buffer(
            "deviation", torch.tensor([0.229, 0.224, 0.225]).view(shape), persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, h, w) in [0, 1] to (b, 3, h, w) in about [-2.2, 2.7]."""
        return (images - self.mean) / self.deviation


def build_for_imagenet(name: str, *, n_classes: int, side: int) -> nn.Sequential:
    """Build a network that official weights fit: `ImagenetInput`, then the backbone; weights still random.

    Raises:
        SettingError: There are no official weights for this network.
    """
    official = _official(name)
    return nn.Sequential(ImagenetInput(), official.factory(3, n_classes, side))


def load_pretrained(network: nn.Module, name: str, source: str | Path) -> None:
    """Put pretrained weights into what `build_for_imagenet` built; the head stays as it is.

    Args:
        network: From `build_for_imagenet`.
        name: Its name.
        source: "imagenet" for the official file (downloaded once, SHA-256 checked), or a local .safetensors or
            .pth file with the same parameter names.

    Raises:
        WeightsError: The file is absent, damaged, cannot be had, or does not fit; says what to do.
    """
    official = _official(name)
    stored = download(official.url) if source == "imagenet" else read_weights(Path(source))
    backbone = network.get_submodule("1")
    own = backbone.state_dict()
    renamed = {official.rename(key): value for key, value in stored.items()}
    body = {key: value for key, value in renamed.items() if not key.startswith(official.head)}
    check_fit(body, own, official.head, source)
    backbone.load_state_dict({**own, **body})


def check_source(name: str, source: str | Path) -> None:
    """See that there are official weights for a network and that a local file exists, without reading it.

    Raises:
        SettingError: No official weights are known for that network.
        WeightsError: No such file.
    """
    _official(name)
    if source != "imagenet" and not Path(source).is_file():
        raise WeightsError(
            f"Expected a weights file at {source}, found none. Pass a .safetensors or .pth file."
        )


def read_weights(path: Path) -> State:
    """Read tensors by name from a .safetensors or .pth file.

    Raises:
        WeightsError: No such file, or it does not hold tensors by name.
    """
    if not path.is_file():
        raise WeightsError(
            f"Expected a weights file at {path}, found none. Pass a .safetensors or .pth file."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    except (
        Exception
    ) as error:  # damaged bytes make torch's unpickler raise anything, KeyError included
        raise WeightsError(
            f"Cannot read weights from {path}: {error}. Download the file again."
        ) from error


def download(url: str, *, setting: str = "pretrained") -> State:
    """Fetch a weights file into torch's cache, check its SHA-256, read it; `setting` takes a file instead.

    Raises:
        WeightsError: No connection, a wrong checksum, or a damaged file in the cache.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    advice = f"Download it elsewhere and pass the file ({setting}='/path/file.pth'), or delete {cache} and retry."
    try:
        return _tensors(
            torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        )
    except Exception as error:  # as above, and whatever a connection raises
        raise WeightsError(f"Cannot get the official weights {url}: {error}. {advice}") from error


def check_fit(body: State, own: State, head: str, source: str | Path) -> None:
    """Refuse anything but a full body; files from before torch 0.4.1 do not count batches.

    Args:
        body: What is to be loaded, without its head.
        own: Parameters of the network.
        head: Prefix of those that need not be there.
        source: Where the body is from, for the message.

    Raises:
        WeightsError: Parameters are missing, unknown, or of another shape.
    """
    optional = {key for key in own if key.startswith(head) or key.endswith("num_batches_tracked")}
    shared = own.keys() & body.keys()
    problems = {
        "missing": own.keys() - body.keys() - optional,
        "unexpected": body.keys() - own.keys(),
        "of another shape": {key for key in shared if own[key].shape != body[key].shape},
    }
    found = [
        f"{kind}: {', '.join(sorted(keys)[:5])} ({len(keys)})"
        for kind, keys in problems.items()
        if keys
    ]
    if found:
        raise WeightsError(
            f"The weights in {source} do not fit this network. Parameters {'; '.join(found)}. "
            "Pass the file that belongs to it."
        )


def _official(name: str) -> Official:
    if name not in OFFICIAL:
        raise SettingError(unknown(name, OFFICIAL, "network with pretrained weights"))
    return OFFICIAL[name]


def _tensors(stored: object) -> State:
    if not isinstance(stored, Mapping) or not all(
        isinstance(value, Tensor) for value in stored.values()
    ):
        raise TypeError("expected tensors by name")
    return stored
