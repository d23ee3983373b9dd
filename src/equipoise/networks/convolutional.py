"""Plain convolutional generators and critics for any valid side."""

from itertools import pairwise

from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.design import Critic, Design, Generator, Parts
from equipoise.networks.sizes import check_size


def dcgan_pair(design: Design) -> tuple[Generator, Critic]:
    """Build DCGAN: batch norm everywhere, channels that double as maps halve.

    Source: Radford et al. (2016), as in the code of Sharma et al. (paper S1) and in Mukhedkar and
    Kim (paper S4). As in both papers, and unlike Radford et al., a batch norm follows the critic's
    first convolution (`critic_first_norm`). Difference: at 28 px the maps are those of every other
    size (7, 14, 28), not those of the MNIST variant in the code of S1 (3, 6, 13, 28).
    """
    side, n = check_size(design.size)
    widths = [min(design.max_channels, design.base_channels << i) for i in reversed(range(n))]
    parts = Parts(design, side, critic_norm="batch", initialization="dcgan")
    stem: list[nn.Module] = [
        nn.Unflatten(1, (parts.latent, 1, 1)),
        nn.ConvTranspose2d(parts.latent, widths[0], side, bias=design.bias),
        parts.generator_norm(widths[0]),
        nn.ReLU(inplace=True),
        *parts.attend(side, widths[0]),
    ]
    inputs = [widths[0] + parts.into_map.extra, *widths[1:]]
    body: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(inputs), start=1):
        body.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=design.bias))
        body += [parts.generator_norm(after), nn.ReLU(inplace=True)]
        body += parts.attend(side << i, after)
    body += [nn.ConvTranspose2d(inputs[-1], design.channels, 4, 2, 1, bias=design.bias), nn.Tanh()]
    return parts.pair(stem, body, dcgan_critic(parts, widths, side))


def dcgan_critic(parts: Parts, widths: list[int], side: int) -> list[nn.Module]:
    """List the layers of DCGAN's critic: convolutions that halve down to `side`, a score."""
    bias = parts.design.bias or parts.critic_norm != "batch"
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise([parts.image, *reversed(widths)]), start=1):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=bias), *parts.norm(after, first=i == 1)]
        layers += [nn.LeakyReLU(0.2, inplace=True), *parts.attend(parts.design.size >> i, after)]
    return [*layers, parts.score(nn.Conv2d(widths[0], 1, side, bias=bias), widths[0])]


def constant_pair(design: Design) -> tuple[Generator, Critic]:
    """Build networks without batch norm and with a constant number of channels (128 in the paper).

    Source: Sun and Li (paper S2), from the public notebook that they build on. The smallest map of
    the generator has twice the side of the other layouts' (8 x 8 at 128 px).

    Raises:
        SettingError: The design has projection, or attention at 8 px: this layout has no place for
            them.
    """
    smallest, n = check_size(design.size)
    if design.conditioning == "projection":
        raise SettingError(
            "Conditioning 'projection' needs batch norms in the generator, and layout 'constant' "
            "has none. Use layout='dcgan' or 'residual', or conditioning='embedding'."
        )
    if design.attention and n == 1:
        raise SettingError(
            f"Layout 'constant' has no map smaller than {design.size} px for attention. Use "
            "attention=False, or images of 16 px or more."
        )
    side, width = 2 * smallest, design.base_channels
    parts = Parts(design, side, critic_norm="none", initialization="keras")
    stem: list[nn.Module] = [
        nn.Linear(parts.latent, width * side * side),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Unflatten(1, (width, side, side)),
        *parts.attend(side, width),
    ]
    inputs = [width + parts.into_map.extra, *[width] * (n - 1)]
    body: list[nn.Module] = []
    for i, before in enumerate(inputs[:-1], start=1):
        body += [nn.ConvTranspose2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        body += parts.attend(side << i, width)
    body += [nn.Conv2d(inputs[-1], design.channels, 5, padding=2), nn.Tanh()]
    return parts.pair(stem, body, constant_critic(parts, width, n))


def constant_critic(parts: Parts, width: int, n: int) -> list[nn.Module]:
    """List the layers of the critic of `constant_pair`: n convolutions, dropout, a linear score."""
    side, before = parts.design.size, parts.image
    layers: list[nn.Module] = []
    for number in range(n):
        stride = 1 if number == 0 and not parts.design.all_stride_2 else 2
        side //= stride
        layers += [nn.Conv2d(before, width, 5, stride, 2), *parts.norm(width, first=number == 0)]
        layers += [nn.LeakyReLU(0.2, inplace=True), *parts.attend(side, width)]
        before = width
    return [*layers, nn.Flatten(), nn.Dropout(0.4), nn.Linear(width * side * side, 1)]
