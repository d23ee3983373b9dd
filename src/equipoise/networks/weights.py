"""Pretrained weights: where they are, how they are downloaded, checked and read."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from equipoise.exceptions import WeightsError

State = Mapping[str, Tensor]

TORCHVISION = "https://download.pytorch.org/models"
TORCHVISION_LICENSE = "BSD-3-Clause (torchvision); trained on ImageNet, for non-commercial research"


@dataclass(frozen=True)
class InputStatistics:
    """What the images looked like that a network was pretrained on.

    Attributes:
        mean: Mean of each of the three channels, for images in [0, 1].
        deviation: Standard deviation of each channel.
        side: Side of the training images in px.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    side: int


IMAGENET = InputStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), side=224)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Pretrained weights of a backbone, and how they fit it.

    Attributes:
        url: Address of a .pth or .safetensors file with tensors by name.
        sha256: SHA-256 of the file, or its first digits (at least 8).
        license: License of the weights.
        statistics: The input that the weights expect.
        build: Builds the network that the file fits from (channels, number of classes, smaller
            side in px), at every side.
        head: Prefix of the parameters that are not loaded, because they belong to other classes.
        rename: Maps a parameter name of the file to the network's.
    """

    url: str
    sha256: str
    license: str
    statistics: InputStatistics
    build: Callable[[int, int, int], nn.Module]
    head: str
    rename: Callable[[str], str] = str


class InputNormalization(nn.Module):
    """Normalizes images as a pretrained network expects them: minus the mean, over the deviation.

    A gray image is repeated in the three channels. This equals summing the first kernel over its
    input channels, so that gray images need no weights of their own.

    Args:
        statistics: Mean and standard deviation of each channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, statistics: InputStatistics = IMAGENET) -> None:
        super().__init__()
        mean = torch.tensor(statistics.mean).view(1, 3, 1, 1)
        deviation = torch.tensor(statistics.deviation).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, h, w) in [0, 1] to (b, 3, h, w), for ImageNet in [-2.2, 2.7]."""
        return (images - self.mean) / self.deviation


def read_weights(path: Path) -> State:
    """Read tensors by name from a .safetensors or .pth file.

    Raises:
        WeightsError: There is no such file, or it does not contain tensors by name.
    """
    check_weights_file(path)
    try:
        return _read_tensors(path)
    except Exception as error:  # damaged bytes make torch raise anything, KeyError included
        raise WeightsError(
            f"Cannot read weights from {path}: {error}. Download the file again."
        ) from error


def check_weights_file(path: Path) -> None:
    """Raise unless a weights file exists; it is not read.

    Raises:
        WeightsError: There is no such file.
    """
    if not path.is_file():
        raise WeightsError(
            f"Expected a weights file at {path}, found none. Pass a .safetensors or .pth file."
        )


def download(url: str, sha256: str, *, setting: str = "pretrained") -> State:
    """Download a weights file into torch's cache, check its SHA-256, and read it.

    Args:
        url: Address of the file.
        sha256: Its SHA-256, or the first digits of it.
        setting: Name of the parameter that takes a local file instead; for the message.

    Raises:
        WeightsError: No connection, a wrong checksum, or a damaged file in the cache.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    path = cache / url.rsplit("/", 1)[1]
    try:
        if not path.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=False)
        return _read_tensors(path)
    except Exception as error:  # as above, and whatever a connection raises
        raise WeightsError(
            f"Cannot get the official weights {url}: {error}. Download it elsewhere and pass the "
            f"file ({setting}='/path/file.pth'), or delete {cache} and retry."
        ) from error


def check_fit(body: State, parameters: State, head: str, source: str | Path) -> None:
    """Raise unless the loaded tensors are exactly the parameters of a network without its head.

    Files written before torch 0.4.1 do not count batches: `num_batches_tracked` may be missing.

    Args:
        body: The tensors to be loaded, without those of the head.
        parameters: All parameters and buffers of the network.
        head: Prefix of the parameters that may be missing.
        source: Where the body comes from; for the message.

    Raises:
        WeightsError: Parameters are missing, unexpected, or of another shape.
    """
    required = set()
    for name in parameters:
        if not name.startswith(head) and not name.endswith("num_batches_tracked"):
            required.add(name)
    mismatches = _mismatches(body, parameters, required)
    if mismatches:
        raise WeightsError(
            f"The weights in {source} do not fit this network. Parameters {mismatches}. "
            "Pass the file that belongs to it."
        )


def check_same_names(tensors: State, parameters: State) -> str:
    """Describe how tensors differ from parameters in names and shapes; "" where they fit."""
    return _mismatches(tensors, parameters, parameters.keys())


def _mismatches(body: State, parameters: State, required: Set[str]) -> str:
    """List the first five names of each kind of mismatch, and how many there are."""
    shared = parameters.keys() & body.keys()
    problems = {
        "missing": required - body.keys(),
        "unexpected": body.keys() - parameters.keys(),
        "of another shape": {key for key in shared if parameters[key].shape != body[key].shape},
    }
    lines = []
    for kind, names in problems.items():
        if names:
            lines.append(f"{kind}: {', '.join(sorted(names)[:5])} ({len(names)})")
    return "; ".join(lines)


def _read_tensors(path: Path) -> State:
    """Read a file without running any code in it."""
    if path.suffix == ".safetensors":
        return load_file(path)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(stored, Mapping) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise TypeError("expected tensors by name")
    return stored
