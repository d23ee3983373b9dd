"""Residual generator and critic, for any valid image side."""

from itertools import pairwise

from torch import Tensor, nn

from equipoise.networks.conditioning import Chain, Labeled
from equipoise.networks.design import Critic, Design, Generator, Parts
from equipoise.networks.sizes import check_size

SMALL = 32  # the side up to which all maps have the same number of channels


class Residual(Labeled):
    """Adds the outputs of two paths on the same features.

    Args:
        main: Layers of the main path.
        shortcut: Layers of the shortcut; none for the identity.
    """

    def __init__(self, main: list[nn.Module], shortcut: list[nn.Module]) -> None:
        super().__init__()
        self.main, self.shortcut = Chain(*main), nn.Sequential(*shortcut)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, h, w), (b,) to (b, c', h', w')."""
        added: Tensor = self.main(features, labels) + self.shortcut(features)
        return added


class SumPool(nn.Module):
    """Sums every channel over all positions."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c)."""
        return features.sum(dim=(2, 3))


def residual_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of SNGAN: residual blocks, spectral norm in the critic, Xavier weights.

    Up to 32 px all maps have the same number of channels, 4 `base_channels` in the generator and 2
    in the critic, which halves twice and then has two blocks that keep the side: 64 gives the
    paper's 256 and 128 for CIFAR-10. Above, channels double as maps halve: `base_channels` at side
    s/2 in both (half of it at side s), at most `max_channels`; the critic halves down to the
    smallest map and then has one block that keeps the side. The paper's for 48 px and more are 128
    and 1024.

    Source: Miyato et al. (2018), the ResNets of their appendix. Differences: the shortcut's 1 x 1
    convolution works on the smaller of its two maps (the same function at a quarter of the cost);
    with `critic_norm`, norms precede both ReLU of a block, except in the first block; above 32 px
    the critic has as many channels as the generator, not half as many.
    """
    side, n = check_size(design.size)
    parts = Parts(design, side, critic_norm="spectral", initialization="xavier")
    up, down = map_widths(design, n)
    stem: list[nn.Module] = [
        nn.Linear(parts.latent, up[0] * side * side),
        nn.Unflatten(1, (up[0], side, side)),
        *parts.attend(side, up[0]),
    ]
    body: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise([up[0] + parts.into_map.extra, *up[1:]]), start=1):
        body += [doubling_block(parts, before, after), *parts.attend(side << i, after)]
    last = nn.Conv2d(up[-1], design.channels, 3, padding=1)
    body += [parts.generator_norm(up[-1]), nn.ReLU(), last, nn.Tanh()]
    return parts.pair(stem, body, residual_critic(parts, down))


def map_widths(design: Design, n: int) -> tuple[list[int], list[int]]:
    """List the channels of the generator's n + 1 maps and of the critic's halved maps, in order."""
    base, most = design.base_channels, design.max_channels
    if design.size <= SMALL:
        return [min(most, 4 * base)] * (n + 1), [min(most, 2 * base)] * 2
    doubled = [min(most, base << i) for i in range(n)]
    return [*reversed(doubled), max(1, doubled[0] // 2)], doubled


def residual_critic(parts: Parts, widths: list[int]) -> list[nn.Module]:
    """List the layers of the critic: blocks that halve, blocks that keep the side, a score."""
    layers: list[nn.Module] = [first_block(parts.image, widths[0])]
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers += parts.attend(parts.design.size >> i, before)
        main = [*_main_path(parts, before, after), nn.AvgPool2d(2)]
        layers.append(Residual(main, [nn.AvgPool2d(2), nn.Conv2d(before, after, 1)]))
    last = widths[-1]
    layers += parts.attend(parts.design.size >> len(widths), last)
    for _ in range(2 if parts.design.size <= SMALL else 1):
        layers.append(Residual(_main_path(parts, last, last), []))
    return [*layers, nn.ReLU(), parts.score(nn.Sequential(SumPool(), nn.Linear(last, 1)), last)]


def doubling_block(parts: Parts, before: int, after: int) -> nn.Module:
    """Build the generator's block, which doubles the side."""
    main = [
        parts.generator_norm(before),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, padding=1),
        parts.generator_norm(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
    ]
    return Residual(main, [nn.Conv2d(before, after, 1), nn.Upsample(scale_factor=2)])


def first_block(before: int, after: int) -> nn.Module:
    """Build the critic's first block, which halves the image.

    No ReLU precedes its first convolution: it would discard the dark half of the image.
    """
    main = [
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.AvgPool2d(2),
    ]
    return Residual(main, [nn.AvgPool2d(2), nn.Conv2d(before, after, 1)])


def _main_path(parts: Parts, before: int, after: int) -> list[nn.Module]:
    layers = [*parts.norm(before), nn.ReLU(), nn.Conv2d(before, before, 3, padding=1)]
    return [*layers, *parts.norm(before), nn.ReLU(), nn.Conv2d(before, after, 3, padding=1)]
