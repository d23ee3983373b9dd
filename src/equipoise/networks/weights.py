"""Pretrained weights as records, and whether tensors fit a network."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from equipoise.exceptions import WeightsError

State = Mapping[str, Tensor]

FULL_DIGITS = 64  # of a SHA-256
TORCHVISION = "https://download.pytorch.org/models"
TORCHVISION_LICENSE = "BSD-3-Clause (torchvision); trained on ImageNet, for non-commercial research"


@dataclass(frozen=True)
class InputStatistics:
    """What the images looked like that a network was pretrained on.

    Attributes:
        mean: Mean of each channel, for images in [0, 1]; three numbers, or one for gray images.
        deviation: Standard deviation of each channel.
        side: Side of the training images in px.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    side: int

    @property
    def channels(self) -> int:
        """Channels that the network takes."""
        return len(self.mean)


IMAGENET = InputStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), side=224)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Pretrained weights of a backbone, and how they fit it.

    Attributes:
        url: Address of a .pth, .pt or .safetensors file with tensors by name: https://..., or
            hf://owner/name@revision/file.safetensors on the hub.
        sha256: SHA-256 of the file, or its first digits (at least 8), or "" where none is known.
        license: License of the weights.
        statistics: The input that the weights expect.
        build: Builds the network that the file fits from (channels, number of classes, smaller
            side in px), at every side.
        head: Prefix of the parameters that are not loaded, because they belong to other classes.
        rename: Maps a parameter name of the file to the network's; "" drops the parameter.
        adapt: Maps the tensors of the file and the network to tensors that fit it, before they are
            renamed: what takes more than other names.
        whole_module: The file is a pickled module; see `stored_module.read_stored_module`.
    """

    url: str
    sha256: str
    license: str
    statistics: InputStatistics
    build: Callable[[int, int, int], nn.Module]
    head: str
    rename: Callable[[str], str] = str
    adapt: Callable[[State, nn.Module], State] | None = None
    whole_module: bool = False

    @property
    def checked_by(self) -> str:
        """How a downloaded file is checked, in words for a list.

        Example:
            >>> from equipoise.networks.backbones import find_backbone
            >>> find_backbone("resnet18").weights["imagenet"].checked_by
            'SHA-256'
        """
        if len(self.sha256) == FULL_DIGITS:
            return "SHA-256"
        return f"{len(self.sha256)} digits of SHA-256" if self.sha256 else "nothing: none published"

    def body(self, stored: State, network: nn.Module) -> State:
        """Return the tensors of a file under the network's names, without those of the head."""
        if self.adapt is not None:
            stored = self.adapt(stored, network)
        body = {}
        for name, tensor in stored.items():
            renamed = self.rename(name)
            if renamed and not renamed.startswith(self.head):
                body[renamed] = tensor
        return body


class InputNormalization(nn.Module):
    """Normalizes images as a pretrained network expects them: minus the mean, over the deviation.

    A gray image is repeated in the three channels. This equals summing the first kernel over its
    input channels, so that gray images need no weights of their own. For a network of gray images
    color is averaged.

    Args:
        statistics: Mean and standard deviation of each channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, statistics: InputStatistics = IMAGENET) -> None:
        super().__init__()
        shape = (1, statistics.channels, 1, 1)
        mean = torch.tensor(statistics.mean).view(shape)
        deviation = torch.tensor(statistics.deviation).view(shape)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, h, w) in [0, 1] to (b, 3, h, w), for ImageNet in [-2.2, 2.7]."""
        if self.mean.shape[1] < images.shape[1]:
            images = images.mean(dim=1, keepdim=True)
        return (images - self.mean) / self.deviation


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
    }
    other_shapes = []
    for key in sorted(shared):
        expected, got = tuple(parameters[key].shape), tuple(body[key].shape)
        if expected != got:
            other_shapes.append(f"{key} {got} instead of {expected}")
    lines = []
    for kind, names in problems.items():
        if names:
            lines.append(f"{kind}: {', '.join(sorted(names)[:5])} ({len(names)})")
    if other_shapes:
        listed = ", ".join(other_shapes[:5])
        lines.append(f"of another shape: {listed} ({len(other_shapes)})")
    return "; ".join(lines)
