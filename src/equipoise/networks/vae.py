"""The variational autoencoder of paper S0: a classifier's trunk, a spatial latent, a decoder."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.exceptions import SettingError
from equipoise.networks.backbones import build, find_backbone

SMALLEST = 32  # px; smaller images are padded to it
SIDES = (32, 40, 48, 56, 64, 96, 128, 160, 192, 224, 256, 320)  # suggested in error messages
LOG_VARIANCES = (-30.0, 20.0)  # the range to which log variances are clamped


@dataclass(frozen=True, kw_only=True)
class VAEDesign:
    """What a VAE is built from.

    Attributes:
        trunk: Name of the backbone whose convolutions encode; see `backbones.find_backbone`.
        size: Side of the square images in px. Even sides below 32 are padded to 32 in the network.
        channels: Channels of the images.
        latent_channels: Channels of the latent map.
        head_stride: Stride of the convolutions for mean and log variance; 2 is the literal reading
            of paper S0, 320 px.
        base_channels: Channels of the decoder's last block; earlier ones have up to 16 times more.
        n_blocks: Blocks of the decoder; the first ones double the side up to that of the images.
    """

    trunk: str
    size: int
    channels: int
    latent_channels: int = 256
    head_stride: int = 1
    base_channels: int = 16
    n_blocks: int = 6

    @property
    def padded(self) -> int:
        """Side of the trunk's input."""
        return max(self.size, SMALLEST)

    @property
    def map_side(self) -> int:
        """Side of the heads' input: the trunk's last map, averaged down if doublings need it.

        Only small_cnn above 32 px needs it, whose maps are not halves of one another: 6 becomes 4
        at 64 px.
        """
        last = last_map(self.trunk, self.padded)[1]
        for side in range(last, 0, -1):
            if self._doublings(side) is not None:
                return side
        return last

    @property
    def latent_side(self) -> int:
        """Side of the latent map: `map_side` divided by the stride and rounded up."""
        return -(-self.map_side // self.head_stride)

    @property
    def n_doublings(self) -> int | None:
        """Number of doublings in the decoder; None where none restores the images' side."""
        return self._doublings(self.map_side)

    def _doublings(self, map_side: int) -> int | None:
        """Return the number of doublings from a map of this side; None where none fits."""
        doublings = math.log2(self.padded / -(-map_side // self.head_stride))
        if not doublings.is_integer() or doublings > self.n_blocks:
            return None
        return int(doublings) if (self.padded - self.size) % 2 == 0 else None

    def check(self) -> int:
        """Return `n_doublings`.

        Raises:
            SettingError: There is none.
        """
        doublings = self.n_doublings
        if doublings is None:
            usable = [side for side in SIDES if replace(self, size=side).n_doublings is not None]
            raise SettingError(
                f"A VAE with the trunk of '{self.trunk}', head_stride={self.head_stride} and "
                f"{self.n_blocks} decoder blocks cannot restore images of {self.size} px by "
                f"doubling a latent map of {self.latent_side} px. Resize to one of {usable} px "
                "(even sides below 32 are padded to 32), or use another trunk."
            )
        return doublings


class VAE(nn.Module):
    """Encodes images into normal distributions over latent maps, and decodes latent maps.

    Two 3x3 convolutions on the trunk's last map, after a ReLU (DenseNet's trunk ends in a batch
    norm), compute mean and log variance (b, latent_channels, t, t). The decoder is `n_blocks` times
    convolution, batch norm, leaky ReLU and, in the first `n_doublings` blocks, nearest-neighbor
    doubling; then a convolution to the channels of the images.

    Args:
        trunk: Images (b, channels, h, w) in [0, 1] to maps; see `Backbone.trunk`.
        design: What it is built from.

    Raises:
        SettingError: The side cannot be restored.

    Source: Kupas and Harangi (2021, paper S0). They state 5x5x256 latents but no image side: both
    size=320 with head_stride=2 and size=160 with head_stride=1 give them. Differences, where they
    state nothing: the decoder's channels, the ReLU before the heads, He weights of the decoder, and
    no dropout in the trunk (small_cnn has some), because the latents of an evaluation would differ
    from those that the decoder was trained on.
    """

    def __init__(self, trunk: nn.Module, design: VAEDesign) -> None:
        super().__init__()
        n_doublings = design.check()
        self.margin, self.map_side = (design.padded - design.size) // 2, design.map_side
        self.latent_shape = (design.latent_channels, design.latent_side, design.latent_side)
        for module in trunk.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        self.trunk = trunk
        features = last_map(design.trunk, design.padded)[0]
        self.mean = nn.Conv2d(features, design.latent_channels, 3, design.head_stride, 1)
        self.log_variance = nn.Conv2d(features, design.latent_channels, 3, design.head_stride, 1)
        blocks: list[nn.Module] = []
        before = design.latent_channels
        for i in range(design.n_blocks):
            width = design.base_channels * 2 ** min(4, design.n_blocks - 1 - i)
            layers = [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width)]
            layers.append(nn.LeakyReLU(0.2))
            if i < n_doublings:
                layers.append(nn.Upsample(scale_factor=2))
            blocks.append(nn.Sequential(*layers))
            before = width
        last = nn.Conv2d(before, design.channels, 3, padding=1)
        self.decoder = nn.Sequential(*blocks, last).apply(_initialize)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (b, c, s, s) in [0, 1] to mean and log variance, each (b, *latent_shape)."""
        if self.margin:
            images = functional.pad(images, [self.margin] * 4, mode="replicate")
        features = functional.relu(self.trunk(images))
        if features.shape[-1] != self.map_side:
            features = functional.adaptive_avg_pool2d(features, self.map_side)
        return self.mean(features), self.log_variance(features).clamp(*LOG_VARIANCES)

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (b, *latent_shape) to logits (b, c, s, s); their sigmoid is the image."""
        logits: Tensor = self.decoder(latents)
        if self.margin:
            return logits[..., self.margin : -self.margin, self.margin : -self.margin]
        return logits


def build_vae(design: VAEDesign) -> VAE:
    """Build a VAE with random weights from torch's global generator.

    Example:
        >>> design = VAEDesign(trunk="small_cnn", size=32, channels=1, latent_channels=8)
        >>> vae = build_vae(design)
        >>> mean, log_variance = vae.encode(torch.zeros(2, 1, 32, 32))
        >>> mean.shape, vae.decode(mean).shape
        (torch.Size([2, 8, 2, 2]), torch.Size([2, 1, 32, 32]))
    """
    return VAE(_trunk(design.trunk, design.channels, design.padded), design)


@lru_cache(maxsize=64)
def last_map(trunk: str, side: int) -> tuple[int, int]:
    """Return the channels and the side of a trunk's last map for square images.

    Nothing is computed: the network is built on the meta device.

    Example:
        >>> last_map("densenet121", 160)
        (1024, 5)
    """
    with torch.device("meta"), torch.no_grad():
        shape = _trunk(trunk, 1, side).eval()(torch.empty(1, 1, side, side)).shape
    return shape[1], shape[2]


def _trunk(name: str, channels: int, side: int) -> nn.Module:
    network = build(name, channels=channels, n_classes=2, side=side)
    return find_backbone(name).trunk(network)


def _initialize(module: nn.Module) -> None:
    """Draw He-normal weights for a leaky ReLU of slope 0.2; biases are 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # every convolution here has one
