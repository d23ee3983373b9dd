"""Networks for patches of axial slices, by name: one label per patch, or one per pixel."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from equipoise.discovery import Family
from equipoise.exceptions import SettingError

Build = Callable[[int, int, int], nn.Module]  # channels, classes, width of the first layers


@dataclass(frozen=True, kw_only=True)
class PatchNetwork:
    """A row of `PATCH_NETWORKS`: a network and what training and sliding need to know of it.

    Attributes:
        name: Its name in the table.
        build: Channels, classes and width -> network with random weights from torch's global
            generator.
        dense: True where it maps patches (n, c, s, s) to logits for each pixel (n, k, s, s); else
            to (n, k), for the pixel [s // 2, s // 2] of the patch.
        head: Name of its last linear layer; None where it has none.
        slides: Whether it has a method `grid`, which computes the logits of all patches that start
            at multiples of `stride` in one pass over a larger image.
        stride: Pixels of the patch per pixel of its smallest map.
        multiple: Sides of patches are multiples of it.
        smallest: Least side of a patch in px.
        summary: One line for users.
        source: Author, year and differences.
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
        """Raise unless a side of patches fits.

        Raises:
            SettingError: Too small, or not a multiple.
        """
        if size % self.multiple or size < self.smallest:
            raise SettingError(
                f"Expected a patch_size for the network '{self.name}' that is a multiple of "
                f"{self.multiple} and at least {self.smallest} px, got {size}. Use 64."
            )


class CenterNetwork(nn.Module):
    """Convolutions, the mean of their last map, a linear layer: (n, c, s, s) to logits (n, k).

    Args:
        features: Maps patches to their last map.
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
    """A network without padding: one pass over a larger image gives the logits of all its patches.

    The input of its linear layer is the mean of the last map and the center of that map: a mean
    alone says what is in the patch but not where.
    """

    def __init__(self, features: nn.Module, d: int, n_classes: int) -> None:
        super().__init__(features, 2 * d, n_classes)

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches (n, c, s, s) to logits (n, k)."""
        return self.grid(patches, patches.shape[-1])[:, :, 0, 0]

    def grid(self, images: Tensor, size: int) -> Tensor:
        """Compute the logits of all patches of side `size` that start at multiples of 4 px.

        Args:
            images: (n, c, h, w), h and w multiples of 4 and at least `size`.
            size: Side of the patches, as in training.

        Returns:
            Logits (n, k, (h - size) / 4 + 1, (w - size) / 4 + 1); in evaluation mode equal, up to
            rounding, to those of the cropped patches.
        """
        maps, side = self.features(images), size // 4 - 7
        means = avg_pool2d(maps, side, stride=1)
        (height, width), middle = means.shape[2:], side // 2
        centers = maps[:, :, middle : middle + height, middle : middle + width]
        logits: Tensor = self.head(torch.cat([means, centers], dim=1).movedim(1, -1))
        return logits.movedim(-1, 1)


def center_cnn(channels: int, n_classes: int, width: int) -> CenterNetwork:
    """Build padded pairs of convolutions with three pools: 64 px to a map of 8 x 8.

    Padding makes its logits depend on where the border of the patch is: a pass over a whole slice
    does not give them, so that each patch has to be cropped.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        width: Channels of the first pair; later pairs have 2, 4 and 4 times as many.

    Source: Small and Ventura (paper S3 in docs/methods.md) name no network; this one is ours.
    """
    first, second, third, fourth = (
        _pair(before, after, padding=1)
        for before, after in pairwise((channels, width, 2 * width, 4 * width, 4 * width))
    )
    layers = [first, nn.MaxPool2d(2), second, nn.MaxPool2d(2), third, nn.MaxPool2d(2), fourth]
    return CenterNetwork(nn.Sequential(*layers), 4 * width, n_classes)


def center_cnn_valid(channels: int, n_classes: int, width: int) -> SlidingNetwork:
    """Build `center_cnn` without padding: maps of 60, pool 30, 26, pool 13, 9 px for 64 px.

    It ends with the third pair, because a third pool would make the stride 8.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        width: Channels of the first pair; later pairs have 2 and 4 times as many.

    Source: Small and Ventura (paper S3 in docs/methods.md) name no network; this one is ours.

    Example:
        >>> network = center_cnn_valid(4, 5, 8).eval()
        >>> network.grid(torch.zeros(1, 4, 72, 64), 64).shape
        torch.Size([1, 5, 3, 1])
    """
    first, second, third = (
        _pair(before, after, padding=0)
        for before, after in pairwise((channels, width, 2 * width, 4 * width))
    )
    layers = nn.Sequential(first, nn.MaxPool2d(2), second, nn.MaxPool2d(2), third)
    return SlidingNetwork(layers, 4 * width, n_classes)


def unet(channels: int, n_classes: int, width: int) -> nn.Module:
    """Build MONAI's BasicUNet for 2-D patches: `width` channels at full size, 8 x at the bottom.

    Source: Ronneberger et al. (2015), as in MONAI. Difference: instance norm, because the
    statistics of a balanced batch differ from those of a scan.
    """
    from monai.networks.nets.basic_unet import BasicUNet

    features = (width, width, 2 * width, 4 * width, 8 * width, width)
    return BasicUNet(
        spatial_dims=2, in_channels=channels, out_channels=n_classes, features=features
    )


def _pair(inputs: int, outputs: int, *, padding: int) -> nn.Sequential:
    """Build two 3 x 3 convolutions, each with batch norm (which has the bias) and ReLU."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers.append(nn.Conv2d(before, outputs, 3, padding=padding, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


CENTER_CNN = PatchNetwork(
    name="center_cnn",
    build=center_cnn,
    head="head",
    stride=8,
    multiple=8,
    smallest=16,
    summary="The class of the center pixel of a padded patch; slow on whole scans.",
    source="Ours, for Small and Ventura (paper S3)",
)
CENTER_CNN_VALID = PatchNetwork(
    name="center_cnn_valid",
    build=center_cnn_valid,
    head="head",
    slides=True,
    stride=4,
    multiple=8,  # otherwise the center of the last map is not that of the patch
    smallest=32,
    summary="The class of the center pixel without padding; a whole slice in one pass.",
    source="Ours, for Small and Ventura (paper S3), without padding",
)
UNET = PatchNetwork(
    name="unet",
    build=unet,
    dense=True,
    stride=16,
    multiple=16,
    smallest=32,
    summary="The class of every pixel of the patch (MONAI's BasicUNet).",
    source="Ronneberger et al. (2015), as in MONAI",
)

PATCH_NETWORKS = {network.name: network for network in (CENTER_CNN, CENTER_CNN_VALID, UNET)}
FAMILY = Family(
    name="patch_networks",
    summary="Networks of a segmenter.",
    members=PATCH_NETWORKS,
)


def laid_out(network: nn.Module) -> nn.Module:
    """Store the weights for the memory layout channels_last, in which convolutions are faster."""
    module: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module
