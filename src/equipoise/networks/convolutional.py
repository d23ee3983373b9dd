"""Plain convolutional generators and critics for any valid side (methods 1.4, 4.3 to 4.6), and all layouts."""

from itertools import pairwise

from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.design import Critic, Design, Generator, Parts
from equipoise.networks.sizes import check_size


def dcgan_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of papers S1 and S4: batch norm everywhere, channels that double as maps halve.

    Source: methods 4.3 and 4.6. As both papers' code, and unlike Radford et al. 2016, the critic's first
    convolution has a batch norm (`critic_first_norm`). At 28 px the maps are those of every other size (7, 14, 28)
    and not those of the variant for MNIST in S1's code (3, 6, 13, 28).
    """
    side, n = check_size(design.size)
    widths = [min(design.max_channels, design.base_channels << i) for i in reversed(range(n))]
    parts = Parts(design, side, critic_norm="batch", initialization="dcgan")
    stem: list[nn.Module] = [nn.Unflatten(1, (parts.latent, 1, 1))]
    stem += [
        nn.ConvTranspose2d(parts.latent, widths[0], side, bias=design.bias),
        parts.generator_norm(widths[0]),
    ]
    stem += [nn.ReLU(inplace=True), *parts.attend(side, widths[0])]
    inputs = [widths[0] + parts.into_map.extra, *widths[1:]]
    body: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(inputs), start=1):
        body += [
            nn.ConvTranspose2d(before, after, 4, 2, 1, bias=design.bias),
            parts.generator_norm(after),
        ]
        body += [nn.ReLU(inplace=True), *parts.attend(side << i, after)]
    body += [nn.ConvTranspose2d(inputs[-1], design.channels, 4, 2, 1, bias=design.bias), nn.Tanh()]
    return parts.pair(stem, body, _halving_critic(parts, widths, side))


def _halving_critic(parts: Parts, widths: list[int], side: int) -> list[nn.Module]:
    bias = parts.design.bias or parts.critic_norm != "batch"
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise([parts.image, *reversed(widths)]), start=1):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=bias), *parts.norm(after, first=i == 1)]
        layers += [nn.LeakyReLU(0.2, inplace=True), *parts.attend(parts.design.size >> i, after)]
    return [*layers, parts.score(nn.Conv2d(widths[0], 1, side, bias=bias), widths[0])]


def constant_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of paper S2: no batch norm, the same number of channels everywhere (128 in the paper).

    Source: methods 4.4, from the notebook that the paper builds on. The smallest map of the generator has twice
    the side of the other layout's (8 x 8 at 128 px).
    """
    smallest, n = check_size(design.size)
    _check_constant(design, n)
    side, width = 2 * smallest, design.base_channels
    parts = Parts(design, side, critic_norm="none", initialization="keras")
    stem: list[nn.Module] = [
        nn.Linear(parts.latent, width * side * side),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    stem += [nn.Unflatten(1, (width, side, side)), *parts.attend(side, width)]
    inputs = [width + parts.into_map.extra, *[width] * (n - 1)]
    body: list[nn.Module] = []
    for i, before in enumerate(inputs[:-1], start=1):
        body += [nn.ConvTranspose2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        body += parts.attend(side << i, width)
    body += [nn.Conv2d(inputs[-1], design.channels, 5, padding=2), nn.Tanh()]
    return parts.pair(stem, body, _constant_critic(parts, width, n))


def _constant_critic(parts: Parts, width: int, n: int) -> list[nn.Module]:
    strides = [2 if parts.design.all_stride_2 else 1, *[2] * (n - 1)]
    side, layers = parts.design.size, list[nn.Module]()
    for i, (before, stride) in enumerate(
        zip([parts.image, *[width] * (n - 1)], strides, strict=True), start=1
    ):
        side //= stride
        layers += [nn.Conv2d(before, width, 5, stride, 2), *parts.norm(width, first=i == 1)]
        layers += [nn.LeakyReLU(0.2, inplace=True), *parts.attend(side, width)]
    return [*layers, nn.Flatten(), nn.Dropout(0.4), nn.Linear(width * side * side, 1)]


def _check_constant(design: Design, n_doublings: int) -> None:
    if design.conditioning == "projection":
        raise SettingError(
            "Conditioning 'projection' needs batch norms in the generator, and layout 'constant' has none. Give "
            "layout='dcgan' or 'residual', or conditioning='embedding'."
        )
    if design.attention and n_doublings == 1:
        raise SettingError(
            f"Layout 'constant' has no map smaller than {design.size} px for attention: give attention=False, or "
            "images of 16 px or more."
        )
