"""Residual generator and critic, for any valid image side (methods 4.7)."""

from itertools import pairwise

from torch import Tensor, nn

from equipoise.networks.chain import Chain, Labeled
from equipoise.networks.design import Critic, Design, Generator, Parts
from equipoise.networks.sizes import check_size

SMALL = 32  # the side up to which all maps have the same number of channels


class Residual(Labeled):
    """Adds what two ways make of the same features."""

    def __init__(self, main: list[nn.Module], shortcut: list[nn.Module]) -> None:
        super().__init__()
        self.main, self.shortcut = Chain(*main), nn.Sequential(*shortcut)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, h, w), (b,) -> (b, c', h', w')."""
        added: Tensor = self.main(features, labels) + self.shortcut(features)
        return added


class SumPool(nn.Module):
    """Sums every channel over all places."""

    def forward(self, features: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c)."""
        return features.sum(dim=(2, 3))


def residual_pair(design: Design) -> tuple[Generator, Critic]:
    """Build the networks of Miyato et al. 2018: residual blocks, spectral norm in the critic, Xavier weights.

    Up to 32 px all maps have the same number of channels, 4 `base_channels` in the generator and 2 in the critic,
    which halves twice and then has two blocks that keep the side: 64 gives the paper's 256 and 128 for CIFAR-10.
    Above, channels double as maps halve: `base_channels` at side s/2 in both (half of it at side s), at most
    `max_channels`; the critic halves down to the smallest map and then has one block that keeps the side. The
    paper's for 48 px and more are 128 and 1024.

    Source: methods 4.7. Differs in the shortcut's 1 x 1 convolution, which works on the smaller of its two maps
    (the same function, at a quarter of the cost), in norms of maps where `critic_norm` asks for them (before both
    ReLU of a block, but not in the first block), and above 32 px in the critic's channels, which are as many as the
    generator's and not half.
    """
    side, n = check_size(design.size)
    parts = Parts(design, side, critic_norm="spectral", initialization="xavier")
    up, down = _widths(design, n)
    stem: list[nn.Module] = [
        nn.Linear(parts.latent, up[0] * side * side),
        nn.Unflatten(1, (up[0], side, side)),
    ]
    stem += parts.attend(side, up[0])
    body: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise([up[0] + parts.into_map.extra, *up[1:]]), start=1):
        body += [_doubling(parts, before, after), *parts.attend(side << i, after)]
    body += [
        parts.generator_norm(up[-1]),
        nn.ReLU(),
        nn.Conv2d(up[-1], design.channels, 3, padding=1),
        nn.Tanh(),
    ]
    return parts.pair(stem, body, _critic(parts, down))


def _widths(design: Design, n: int) -> tuple[list[int], list[int]]:
    """Channels of the generator's n + 1 maps (smallest first), and of the critic's halved maps (largest first)."""
    base, most = design.base_channels, design.max_channels
    if design.size <= SMALL:
        return [min(most, 4 * base)] * (n + 1), [min(most, 2 * base)] * 2
    doubled = [min(most, base << i) for i in range(n)]
    return [*reversed(doubled), max(1, doubled[0] // 2)], doubled


def _critic(parts: Parts, widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = [_first(parts, parts.image, widths[0])]
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers += [*parts.attend(parts.design.size >> i, before), _halving(parts, before, after)]
    last = widths[-1]
    layers += parts.attend(parts.design.size >> len(widths), last)
    layers += [_keeping(parts, last) for _ in range(2 if parts.design.size <= SMALL else 1)]
    return [*layers, nn.ReLU(), parts.score(nn.Sequential(SumPool(), nn.Linear(last, 1)), last)]


def _doubling(parts: Parts, before: int, after: int) -> nn.Module:
    main = [
        parts.generator_norm(before),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, padding=1),
    ]
    main += [parts.generator_norm(after), nn.ReLU(), nn.Conv2d(after, after, 3, padding=1)]
    return Residual(main, [nn.Conv2d(before, after, 1), nn.Upsample(scale_factor=2)])


def _first(parts: Parts, before: int, after: int) -> nn.Module:
    """Halve the image: no ReLU before the first convolution, which would discard its dark half."""
    main = [
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
    ]
    return Residual([*main, nn.AvgPool2d(2)], [nn.AvgPool2d(2), nn.Conv2d(before, after, 1)])


def _halving(parts: Parts, before: int, after: int) -> nn.Module:
    return Residual(
        [*_main(parts, before, after), nn.AvgPool2d(2)],
        [nn.AvgPool2d(2), nn.Conv2d(before, after, 1)],
    )


def _keeping(parts: Parts, channels: int) -> nn.Module:
    return Residual(_main(parts, channels, channels), [])


def _main(parts: Parts, before: int, after: int) -> list[nn.Module]:
    layers = [*parts.norm(before), nn.ReLU(), nn.Conv2d(before, before, 3, padding=1)]
    return [*layers, *parts.norm(before), nn.ReLU(), nn.Conv2d(before, after, 3, padding=1)]
