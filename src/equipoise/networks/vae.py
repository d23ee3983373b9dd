"""The variational autoencoder of paper S0: a classifier's trunk, a spatial latent, a decoder (methods 3.3)."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.exceptions import SettingError
from equipoise.networks.backbones import build, find_backbone

SMALLEST = 32  # px; smaller images are padded to it
SIDES = (32, 40, 48, 56, 64, 96, 128, 160, 192, 224, 256, 320)  # proposed where a side does not fit
LOG_VARIANCES = (-30.0, 20.0)  # the range of log variances (methods 3.2)


@dataclass(frozen=True, kw_only=True)
class VAEDesign:
    """What a VAE is built from.

    Attributes:
        trunk: The name of the classification network whose convolutions encode; see `backbones.BACKBONES`.
        size: Side of the square images in px. Even sides below 32 are padded to 32 inside the network.
        channels: Of the images.
        latent_channels: Channels of the latent map.
        head_stride: Stride of the convolutions that give mean and log variance; 2 is paper S0's 320 px reading.
        base_channels: Channels of the decoder's last block; earlier ones have up to 16 times as many.
        n_blocks: Blocks of the decoder; the first ones double the side until it is that of the images.
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
        """Side of what the trunk sees."""
        return max(self.size, SMALLEST)

    @property
    def map_side(self) -> int:
        """Side of what the heads see: the trunk's last map, averaged down where no doubling of it gives the images.

        Only small_cnn needs that, whose maps are not halves of one another: above 32 px, 6 become 4 at 64 px.
        """
        last = last_map(self.trunk, self.padded)[1]
        return next(
            (side for side in range(last, 0, -1) if self._doublings(side) is not None), last
        )

    @property
    def latent_side(self) -> int:
        """Side of the latent map: `map_side` divided by the stride and rounded up."""
        return -(-self.map_side // self.head_stride)

    @property
    def n_doublings(self) -> int | None:
        """How often the decoder doubles the side; None where it cannot restore that of the images."""
        return self._doublings(self.map_side)

    def _doublings(self, map_side: int) -> int | None:
        doublings = math.log2(self.padded / -(-map_side // self.head_stride))
        fits = (
            doublings.is_integer()
            and doublings <= self.n_blocks
            and (self.padded - self.size) % 2 == 0
        )
        return int(doublings) if fits else None

    def check(self) -> int:
        """Return `n_doublings`.

        Raises:
            SettingError: There is none.
        """
        if (doublings := self.n_doublings) is None:
            raise SettingError(
                f"A VAE with the trunk of '{self.trunk}', head_stride={self.head_stride} and {self.n_blocks} "
                f"decoder blocks cannot restore images of {self.size} px by doubling a latent map of "
                f"{self.latent_side} px. Resize to one of {self._usable()} px (even sides below 32 are padded to "
                "32), or take another trunk."
            )
        return doublings

    def _usable(self) -> list[int]:
        return [side for side in SIDES if replace(self, size=side).n_doublings is not None]


class VAE(nn.Module):
    """Encodes images into a normal distribution over latent maps, and decodes latent maps into images.

    Two 3x3 convolutions on the trunk's last map, after a ReLU (DenseNet's trunk ends in a batch norm), give mean
    and log variance (b, latent_channels, t, t). The decoder is `n_blocks` times convolution, batch norm, leaky ReLU
    and, in the first `n_doublings`, nearest-neighbor doubling; then a convolution to the images' channels.

    Source: methods 3.3 (paper S0; options A: size=320, head_stride=2 and B: size=160; both 5x5x256). Differs by
    taking the trunk as the classifier of that size has it: the small stem only below 64 px (methods: up to 128).
    Ours: the decoder's channels, the ReLU in front of the heads, He weights of the decoder, and no dropout in the
    trunk (small_cnn has some): latents of an evaluation would be others than those the decoder has learned.

    Args:
        trunk: Images (b, channels, h, w) in [0, 1] to maps; see `Backbone.trunk`.
        design: What it is built from.

    Raises:
        SettingError: The side cannot be restored.
    """

    def __init__(self, trunk: nn.Module, design: VAEDesign) -> None:
        super().__init__()
        n_doublings = design.check()
        self.margin, self.map_side = (design.padded - design.size) // 2, design.map_side
        self.latent_shape = (design.latent_channels, design.latent_side, design.latent_side)
        self.trunk = trunk.apply(_keep_all)
        features = last_map(design.trunk, design.padded)[0]
        self.mean = nn.Conv2d(features, design.latent_channels, 3, design.head_stride, 1)
        self.log_variance = nn.Conv2d(features, design.latent_channels, 3, design.head_stride, 1)
        widths = [
            design.base_channels * 2 ** min(4, left) for left in reversed(range(design.n_blocks))
        ]
        inputs = [design.latent_channels, *widths]
        blocks = [
            _block(inputs[i], widths[i], doubles=i < n_doublings) for i in range(design.n_blocks)
        ]
        self.decoder = nn.Sequential(
            *blocks, nn.Conv2d(inputs[-1], design.channels, 3, padding=1)
        ).apply(_he)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (b, c, s, s) in [0, 1] to mean and log variance, each (b, *latent_shape)."""
        padded = (
            functional.pad(images, [self.margin] * 4, mode="replicate") if self.margin else images
        )
        features = functional.relu(self.trunk(padded))
        if features.shape[-1] != self.map_side:
            features = functional.adaptive_avg_pool2d(features, self.map_side)
        return self.mean(features), self.log_variance(features).clamp(*LOG_VARIANCES)

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (b, *latent_shape) to logits (b, c, s, s); their sigmoid is the image."""
        logits: Tensor = self.decoder(latents)
        return (
            logits[..., self.margin : -self.margin, self.margin : -self.margin]
            if self.margin
            else logits
        )


def build_vae(design: VAEDesign) -> VAE:
    """Build a VAE with random weights, drawn from torch's global generator."""
    return VAE(_trunk(design.trunk, design.channels, design.padded), design)


@lru_cache(maxsize=64)
def last_map(trunk: str, side: int) -> tuple[int, int]:
    """Give the channels and the side of a trunk's last map for square images, without computing anything.

    >>> last_map("densenet121", 160)
    (1024, 5)
    """
    with torch.device("meta"), torch.no_grad():
        shape = _trunk(trunk, 1, side).eval()(torch.empty(1, 1, side, side)).shape
    return shape[1], shape[2]


def _trunk(name: str, channels: int, side: int) -> nn.Module:
    network = build(name, channels=channels, n_classes=2, side=side)
    return find_backbone(name).trunk(network)


def _block(inputs: int, outputs: int, *, doubles: bool) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, *([nn.Upsample(scale_factor=2)] if doubles else []))


def _keep_all(module: nn.Module) -> None:
    if isinstance(module, nn.Dropout):
        module.p = 0.0


def _he(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # every convolution here has one
