"""Networks of BAGAN-GP for any valid side: labels enter generator and critic by a product."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.networks import initialization
from equipoise.networks.conditioning import PlainJoin
from equipoise.networks.design import Critic, Design, Generator
from equipoise.networks.sizes import check_size

CONDITIONING = "product"
SLOPE = 0.2  # of every leaky ReLU


class LabelProduct(nn.Module):
    """Multiplies a latent, element by element, by a learned vector of the label.

    Args:
        n_classes: Number of labels.
        size: Length of the latent.
    """

    def __init__(self, n_classes: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, size)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Map (b, size), (b,) to (b, size)."""
        product: Tensor = latent * self.embedding(labels)
        return product


class LabeledFeatures(nn.Module):
    """Features of images times features of their labels.

    Args:
        trunk: Images to features.
        label_path: Labels to features.
    """

    def __init__(self, trunk: nn.Module, label_path: nn.Module) -> None:
        super().__init__()
        self.trunk, self.label_path = trunk, label_path

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, s, s) in [-1, 1], (b,) to (b, features)."""
        product: Tensor = self.trunk(images) * self.label_path(labels)
        return product


def bagan_gp_pair(design: Design) -> tuple[Generator, Critic]:
    """Build decoder and critic of BAGAN-GP; the product of latent and label precedes the decoder.

    At 64 px, with base_channels 64 and latent_size 128, they are the paper's; other sides keep the
    widths of the first and last convolution. The third network is `encoder`.

    Source: Huang and Jafari (2021), arXiv 2011.00189, and its code; "Improved BAGAN" of Sharma et
    al. (paper S1). Difference: batch norm keeps PyTorch's momentum (0.1, Keras 0.01), so that short
    fits are not scored with the statistics of their start.

    Raises:
        SettingError: An invalid image side, or a setting that these networks do not support.
    """
    _check(design)
    widths, side = _widths(design)
    features = widths[-1] * side * side
    stem = nn.Sequential(
        nn.Linear(design.latent_size, features),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Unflatten(1, (widths[-1], side, side)),
    )
    ups: list[nn.Module] = []
    for before, after in pairwise([*reversed(widths), design.channels]):
        ups.append(nn.ConvTranspose2d(before, after, 4, 2, 1))
        ups += [nn.BatchNorm2d(after, eps=1e-3), nn.LeakyReLU(SLOPE, inplace=True)]
    product = LabelProduct(design.n_classes, design.latent_size)
    generator = Generator(product, stem, PlainJoin(), nn.Sequential(*ups[:-2], nn.Tanh()))
    hidden = 8 * design.base_channels
    label_path = nn.Sequential(
        nn.Embedding(design.n_classes, hidden),
        nn.Linear(hidden, features),
        nn.LeakyReLU(SLOPE, inplace=True),
    )
    head = nn.Sequential(nn.Linear(features, hidden), nn.Linear(hidden, 1))
    critic = Critic(LabeledFeatures(trunk(design), label_path), head)
    return generator.apply(_first_weights(design)), critic.apply(_first_weights(design))


def encoder(design: Design) -> nn.Sequential:
    """Build images (b, c, s, s) in [-1, 1] -> latents (b, latent_size), without normalization."""
    widths, side = _widths(design)
    last = nn.Linear(widths[-1] * side * side, design.latent_size)
    network = nn.Sequential(trunk(design), last, nn.LeakyReLU(SLOPE, inplace=True))
    return network.apply(_first_weights(design))


def trunk(design: Design) -> nn.Sequential:
    """Build the convolutions of encoder and critic: (b, c, s, s) -> (b, features)."""
    layers: list[nn.Module] = []
    for before, after in pairwise([design.channels, *_widths(design)[0]]):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers, nn.Flatten())


def initialize(module: nn.Module) -> None:
    """Draw convolutions as DCGAN does, everything else as Keras does."""
    initialization.keras(module)
    if isinstance(module, initialization.CONVOLUTIONS):
        initialization.dcgan(module)


def _first_weights(design: Design) -> Callable[[nn.Module], None]:
    if design.initialization is None:
        return initialize
    return pick(initialization.INITIALIZATIONS, design.initialization, "initialization")


def _check(design: Design) -> None:
    if design.conditioning != CONDITIONING and design.n_classes > 1:
        raise SettingError(
            "Labels enter layout 'bagan_gp' by a product, got "
            f"conditioning={design.conditioning!r}. Use conditioning={CONDITIONING!r}."
        )
    if design.critic_norm not in (None, "none") or design.attention:
        raise SettingError(
            "Layout 'bagan_gp' has neither norms in its critic nor attention, got critic_norm="
            f"{design.critic_norm!r} and attention={design.attention}. Leave both out, or use "
            "layout='dcgan'."
        )


def _widths(design: Design) -> tuple[list[int], int]:
    """Return the channels after each halving (64, 128, 128, 256 in the paper) and the last side."""
    side, n = check_size(design.size)
    base = design.base_channels
    widths = [base, *[2 * base] * (n - 2), 4 * base] if n > 1 else [4 * base]
    return [min(width, design.max_channels) for width in widths], side
