"""Networks of the original BAGAN for any valid side: latents of a class come from its Gaussian."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from equipoise.networks import initialization
from equipoise.networks.conditioning import PlainJoin
from equipoise.networks.design import Design, Generator
from equipoise.networks.sizes import check_size

SLOPE = 0.3  # of every leaky ReLU: Keras' default
DROPOUT = 0.3
LARGEST_MAP = 8  # the trunk halves until its map is no larger


class ClassGaussians(nn.Module):
    """Maps standard normal latents to the Gaussian of their class: mean + factor @ latent.

    Every class starts as N(0, I), which leaves latents as they are.

    Args:
        n_classes: Number of classes k.
        size: Length d of the latents.

    Attributes:
        means: (k, d).
        factors: (k, d, d); factor @ factor.T is the covariance.
    """

    means: Tensor
    factors: Tensor

    def __init__(self, n_classes: int, size: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(n_classes, size))
        self.register_buffer("factors", torch.eye(size).repeat(n_classes, 1, 1))

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Map (b, d), (b,) to (b, d)."""
        return self.means[labels] + (self.factors[labels] @ latent[:, :, None])[:, :, 0]


class ClassCritic(nn.Module):
    """Classifies images into k classes and "generated".

    Args:
        trunk: Images to features.
        head: Features to k + 1 logits.
    """

    def __init__(self, trunk: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def logits(self, images: Tensor) -> Tensor:
        """Map (b, c, s, s) in [-1, 1] to (b, k + 1); the last logit is that of "generated"."""
        logits: Tensor = self.head(self.trunk(images))
        return logits

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Score images (b, c, s, s) as any critic does, whatever their labels (b,): (b,)."""
        return self.realness(self.logits(images))

    @staticmethod
    def realness(logits: Tensor) -> Tensor:
        """Map logits (b, k + 1) to the logit of "not generated" (b,)."""
        return logits[:, :-1].logsumexp(dim=1) - logits[:, -1]


def bagan_networks(design: Design) -> tuple[Generator, ClassCritic, nn.Sequential]:
    """Build generator, critic and encoder of BAGAN; the encoder is a trunk and a linear layer.

    With base_channels 32 and latent_size 100 the widths are those of the reference. Weights start
    as in Keras.

    Source: Mariani et al. (2018), arXiv 1803.09655, and its code. Difference: their generators all
    start at 8 x 8; here the smallest map has the side of `check_size`.
    """
    side = _side_after(design.size, _n_pairs(design.size))
    features = 8 * design.base_channels * side * side
    critic = ClassCritic(trunk(design), nn.Linear(features, design.n_classes + 1))
    encoder = nn.Sequential(trunk(design), nn.Linear(features, design.latent_size))
    first = initialization.keras
    return generator(design).apply(first), critic.apply(first), encoder.apply(first)


def generator(design: Design) -> Generator:
    """Build latents (b, latent_size), labels -> images: nearest doubling and 5 x 5 convolutions."""
    side, n = check_size(design.size)
    base, latent = design.base_channels, design.latent_size
    smallest = 4 * base
    stem = nn.Sequential(
        nn.Linear(latent, 32 * base, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(32 * base, smallest * side * side, bias=False),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (smallest, side, side)),
    )
    body: list[nn.Module] = []
    for before, after in pairwise([smallest, *[8 * base] * (n - 1), 4 * base]):
        body += [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 5, padding=2, bias=False)]
        body.append(nn.ReLU(inplace=True))
    last = nn.Conv2d(4 * base, design.channels, 2, bias=False)
    body += [nn.ZeroPad2d((0, 1, 0, 1)), last, nn.Tanh()]
    gaussians = ClassGaussians(design.n_classes, latent)
    return Generator(gaussians, stem, PlainJoin(), nn.Sequential(*body))


def trunk(design: Design) -> nn.Sequential:
    """Build pairs of 3 x 3 convolutions that halve the side: (b, c, s, s) -> (b, features)."""
    base = design.base_channels
    widths = [base, 2 * base, 4 * base, 8 * base, *[8 * base] * 2 * (_n_pairs(design.size) - 2)]
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise([design.channels, *widths])):
        layers.append(nn.Conv2d(before, after, 3, 2 - number % 2, 1))
        layers += [nn.LeakyReLU(SLOPE, inplace=True), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Flatten())


def _n_pairs(size: int) -> int:
    """Return the number of halvings: two, and more until the map's side is at most 8."""
    n = 2
    while _side_after(size, n) > LARGEST_MAP:
        n += 1
    return n


def _side_after(size: int, n: int) -> int:
    """Return the side after n halvings, which round up."""
    return -(-size >> n)
