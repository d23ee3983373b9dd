"""Convolutional generator and critic in two layouts, for any valid image side (methods 1.4, 4.3 to 4.6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from equipoise.discovery import pick
from equipoise.networks import initialization
from equipoise.networks.conditioning import CONDITIONINGS
from equipoise.networks.sizes import check_size


class Generator(nn.Module):
    """Makes images from latents: the latent becomes a small map, the map is doubled up to the image."""

    def __init__(self, into_latent: nn.Module, stem: nn.Module, into_map: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.into_latent, self.stem, self.into_map, self.body = into_latent, stem, into_map, body

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """(b, latent_size), (b,) -> images (b, c, s, s) in [-1, 1]."""
        base = self.stem(self.into_latent(latent, labels))
        images: Tensor = self.body(self.into_map(base, labels))
        return images


class Critic(nn.Module):
    """Scores images: raw numbers (logits), larger where the image looks real."""

    def __init__(self, into_image: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.into_image, self.body = into_image, body

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(b, c, s, s) in [-1, 1], (b,) -> scores (b,)."""
        scores: Tensor = self.body(self.into_image(images, labels))
        return scores.reshape(len(images))


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a pair of networks is built from.

    Attributes:
        size: Side s of the square images.
        channels: Channels c of the images.
        n_classes: Number of labels; 1 with conditioning "none".
        conditioning: A name in `CONDITIONINGS`.
        latent_size: Length of the latent vector.
        base_channels: Channels at side s/2; doubled at each halving ("dcgan"), or the same everywhere ("constant").
        max_channels: Most channels of a map ("dcgan" only).
        bias: Whether convolutions before a batch norm have biases ("dcgan" only; paper S1 has, S4 has not).
        all_stride_2: Whether the critic's first convolution halves too ("constant" only; see methods 4.4).
    """

    size: int
    channels: int
    n_classes: int = 1
    conditioning: str = "none"
    latent_size: int = 100
    base_channels: int = 64
    max_channels: int = 512
    bias: bool = False
    all_stride_2: bool = False


def build_pair(layout: str, design: Design) -> tuple[Generator, Critic]:
    """Build a generator and its critic with the first weights of their layout, drawn from torch's chance.

    Raises:
        SettingError: No such layout or conditioning, or the image side is not valid.
    """
    return pick(LAYOUTS, layout, "layout")(design)


def dcgan_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of papers S1 and S4: batch norm everywhere, channels that double as maps halve.

    Source: methods 4.3 and 4.6. As both papers' code, and unlike Radford et al. 2016, the critic's first
    convolution has a batch norm.
    """
    side, n = check_size(design.size)
    widths = [min(design.max_channels, design.base_channels << i) for i in reversed(range(n))]
    joins = _Joins(design, side)
    latent = design.latent_size + joins.extra_latent
    stem = nn.Sequential(
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, widths[0], side, bias=design.bias),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    )
    ups: list[nn.Module] = []
    for before, after in pairwise([widths[0] + joins.extra_map, *widths[1:], design.channels]):
        ups.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=design.bias))
        ups += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    body = nn.Sequential(*ups[:-2], nn.Tanh())
    downs: list[nn.Module] = []
    for before, after in pairwise([design.channels + joins.extra_image, *reversed(widths)]):
        downs.append(nn.Conv2d(before, after, 4, 2, 1, bias=design.bias))
        downs += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
    downs.append(nn.Conv2d(widths[0], 1, side, bias=design.bias))
    return joins.pair(stem, body, nn.Sequential(*downs), initialization.dcgan)


def constant_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of paper S2: no batch norm, the same number of channels everywhere (128 in the paper).

    Source: methods 4.4, from the notebook that the paper builds on. The smallest map of the generator has twice
    the side of the other layout's (8 x 8 at 128 px).
    """
    smallest, n = check_size(design.size)
    side, width = 2 * smallest, design.base_channels
    joins = _Joins(design, side)
    stem = nn.Sequential(
        nn.Linear(design.latent_size + joins.extra_latent, width * side * side),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Unflatten(1, (width, side, side)),
    )
    inputs = [width + joins.extra_map, *[width] * (n - 1)]
    body: list[nn.Module] = []
    for before in inputs[:-1]:
        body += [nn.ConvTranspose2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    body += [nn.Conv2d(inputs[-1], design.channels, 5, padding=2), nn.Tanh()]
    strides = [2 if design.all_stride_2 else 1, *[2] * (n - 1)]
    downs: list[nn.Module] = []
    for before, stride in zip([design.channels + joins.extra_image, *[width] * (n - 1)], strides, strict=True):
        downs += [nn.Conv2d(before, width, 5, stride, 2), nn.LeakyReLU(0.2, inplace=True)]
    last = smallest if design.all_stride_2 else side
    downs += [nn.Flatten(), nn.Dropout(0.4), nn.Linear(width * last * last, 1)]
    return joins.pair(stem, nn.Sequential(*body), nn.Sequential(*downs), initialization.keras)


class _Joins:
    """The three places of a design where labels enter, and how many channels they add there."""

    def __init__(self, design: Design, side: int) -> None:
        conditioning = pick(CONDITIONINGS, design.conditioning, "conditioning")
        self.into_latent = conditioning.into_latent(design.n_classes)
        self.into_map = conditioning.into_map(design.n_classes, side)
        self.into_image = conditioning.into_image(design.n_classes, design.size)
        self.extra_latent = self.into_latent.extra
        self.extra_map = self.into_map.extra
        self.extra_image = self.into_image.extra

    def pair(
        self, stem: nn.Module, body: nn.Module, downs: nn.Module, initialize: Callable[[nn.Module], None]
    ) -> tuple[Generator, Critic]:
        """Assemble both networks and draw their first weights."""
        generator = Generator(self.into_latent, stem, self.into_map, body)
        critic = Critic(self.into_image, downs)
        return generator.apply(initialize), critic.apply(initialize)


LAYOUTS: Mapping[str, Callable[[Design], tuple[Generator, Critic]]] = {
    "dcgan": dcgan_pair,
    "constant": constant_pair,
}
