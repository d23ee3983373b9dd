"""Networks that learn from patches of axial slices, by name: one label for a patch, or one for each pixel of it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from equipoise.discovery import Family
from equipoise.exceptions import SettingError

Build = Callable[
    [int, int, int], nn.Module
]  # channels, number of classes, width of the first layers


@dataclass(frozen=True, kw_only=True)
class PatchNetwork:
    """A network and what is to be known to train and to slide it.

    Attributes:
        name: How it is asked for.
        build: Channels, classes and width to a network with random weights, of torch's global generator.
        dense: True where it maps patches (n, c, s, s) to logits for each pixel (n, k, s, s); else to (n, k), about
            the pixel [s // 2, s // 2] of the patch.
        head: Name of its last linear layer; None where it has none.
        slides: Whether it has a method `grid`, which gives from one pass over a larger image the logits of all
            patches that start at multiples of `stride`.
        stride: Pixels of the patch for each of its smallest map.
        multiple: Sides of patches are multiples of it.
        smallest: Least side of a patch in px.
        summary: One line for lists.
        source: Where it is defined.
    """

    name: str
    build: Build
    dense: bool = False
    head: str | None = None
    slides: bool = False
    stride: int
    multiple: int
    smallest: int
    summary: str
    source: str

    def check_size(self, size: int) -> None:
        """Refuse a side of patches that does not fit.

        Raises:
            SettingError: Too small, or no such multiple.
        """
        if size % self.multiple or size < self.smallest:
            raise SettingError(
                f"Expected a patch_size for the network '{self.name}' that is a multiple of {self.multiple} and at "
                f"least {self.smallest} px, got {size}. Use 64."
            )


class CenterNetwork(nn.Module):
    """Convolutions, the mean of their last map, a linear layer: patches (n, c, s, s) to logits (n, k).

    Args:
        features: Patches to their last map.
        d: Channels of that map.
        n_classes: Outputs.
    """

    def __init__(self, features: nn.Module, d: int, n_classes: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(d, n_classes)

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches (n, c, s, s) to logits (n, k)."""
        logits: Tensor = self.head(self.features(patches).mean(dim=(2, 3)))
        return logits


class SlidingNetwork(CenterNetwork):
    """Without padding, so that one pass over a larger image gives what its patches would.

    Its linear layer sees the mean of the last map and, beside it, the center of that map: a mean alone knows what
    is in the patch and not where, since nothing tells the middle from the border.
    """

    def __init__(self, features: nn.Module, d: int, n_classes: int) -> None:
        super().__init__(features, 2 * d, n_classes)

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches (n, c, s, s) to logits (n, k)."""
        return self.grid(patches, patches.shape[-1])[:, :, 0, 0]

    def grid(self, images: Tensor, size: int) -> Tensor:
        """Give the logits of all patches of side `size` that start at multiples of 4 px.

        Args:
            images: (n, c, h, w), h and w multiples of 4 and at least `size`.
            size: Side of the patches, as trained.

        Returns:
            Logits (n, k, (h - size) / 4 + 1, (w - size) / 4 + 1); equal, up to rounding, to those of the cropped
            patches where the network is in evaluation mode.
        """
        maps, side = self.features(images), size // 4 - 7
        means = avg_pool2d(maps, side, stride=1)
        (height, width), middle = means.shape[2:], side // 2
        centers = maps[:, :, middle : middle + height, middle : middle + width]
        logits: Tensor = self.head(torch.cat([means, centers], dim=1).movedim(1, -1))
        return logits.movedim(-1, 1)


def center_cnn(channels: int, n_classes: int, width: int) -> CenterNetwork:
    """Build the network of methods 6.2: padded pairs of convolutions, three pools, 64 px to a map of 8 x 8.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        width: Channels of the first pair; 64 there, and the pairs behind it have 2, 4 and 4 times as many.

    Source: methods 6.2. The padding makes its logits depend on where the border of the patch is, so that a pass
    over a whole slice does not give them: it has to be shown every patch.
    """
    pairs = [
        _pair(i, o, padding=1)
        for i, o in pairwise((channels, width, 2 * width, 4 * width, 4 * width))
    ]
    pools = [nn.MaxPool2d(2) for _ in range(3)]
    layers = [layer for both in zip(pairs, pools, strict=False) for layer in both]
    return CenterNetwork(nn.Sequential(*layers, pairs[-1]), 4 * width, n_classes)


def center_cnn_valid(channels: int, n_classes: int, width: int) -> SlidingNetwork:
    """Build the network of methods 6.2 without padding: maps of 60, pool 30, 26, pool 13, 9 px for 64 px.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        width: Channels of the first pair; the pairs behind it have 2 and 4 times as many.

    Source: methods 6.2 and A.7 ('valid' handling inside the patch). It differs from 6.2 by the missing padding and
    in that it ends with the third pair: a third pool would make the stride 8. The mean runs over the rest, 9 x 9
    for 64 px, and has the center of that map beside it: see `SlidingNetwork`.
    """
    first, second, third = (
        _pair(i, o, padding=0) for i, o in pairwise((channels, width, 2 * width, 4 * width))
    )
    layers = nn.Sequential(first, nn.MaxPool2d(2), second, nn.MaxPool2d(2), third)
    return SlidingNetwork(layers, 4 * width, n_classes)


def unet(channels: int, n_classes: int, width: int) -> nn.Module:
    """Build MONAI's BasicUNet for 2-D patches: `width` channels at full size, 8 times as many at the bottom.

    Source: methods 6.2 (dense mode) leaves its form open. Instance norm: statistics of a balanced batch would
    differ from those of a scan (methods 6.8).
    """
    from monai.networks.nets.basic_unet import BasicUNet

    features = (width, width, 2 * width, 4 * width, 8 * width, width)
    return BasicUNet(
        spatial_dims=2, in_channels=channels, out_channels=n_classes, features=features
    )


def _pair(inputs: int, outputs: int, *, padding: int) -> nn.Sequential:
    return nn.Sequential(
        *_convolution(inputs, outputs, padding), *_convolution(outputs, outputs, padding)
    )


def _convolution(inputs: int, outputs: int, padding: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(
        inputs, outputs, 3, padding=padding, bias=False
    )  # the batch norm has one
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


CENTER_CNN = PatchNetwork(
    name="center_cnn",
    build=center_cnn,
    head="head",
    stride=8,
    multiple=8,
    smallest=16,
    summary="The class of the center pixel from a padded patch; slow on whole scans, patch by patch.",
    source="methods 6.2",
)
CENTER_CNN_VALID = PatchNetwork(
    name="center_cnn_valid",
    build=center_cnn_valid,
    head="head",
    slides=True,
    stride=4,
    multiple=8,  # or the center of the last map would lie beside that of the patch
    smallest=32,
    summary="The class of the center pixel without padding; a whole slice in one pass.",
    source="methods 6.2 and A.7, without padding",
)
UNET = PatchNetwork(
    name="unet",
    build=unet,
    dense=True,
    stride=16,
    multiple=16,
    smallest=32,
    summary="The class of every pixel of the patch (MONAI's BasicUNet).",
    source="methods 6.2, dense mode",
)

PATCH_NETWORKS = {network.name: network for network in (CENTER_CNN, CENTER_CNN_VALID, UNET)}
FAMILY = Family(
    name="patch_networks",
    summary="Networks of a segmenter.",
    members=PATCH_NETWORKS,
)


def laid_out(network: nn.Module) -> nn.Module:
    """Lay the weights out for images that lie pixel by pixel, which convolutions are faster on."""
    module: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module
