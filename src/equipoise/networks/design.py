"""What every pair of generator and critic consists of, whatever its layout."""

from dataclasses import dataclass

from torch import Tensor, nn

from equipoise.discovery import pick
from equipoise.networks.attention import SelfAttention, attention_side
from equipoise.networks.conditioning import CONDITIONINGS, Chain, apply_layer
from equipoise.networks.initialization import INITIALIZATIONS
from equipoise.networks.normalization import NORMS, SPECTRAL, constrain_spectra


class Generator(nn.Module):
    """Maps latents to images: the stem builds a small map, the body doubles it up to the image.

    Args:
        into_latent: Joins labels to latents.
        stem: Latents to the smallest map.
        into_map: Joins labels to the smallest map.
        body: Smallest map to images.
    """

    def __init__(
        self, into_latent: nn.Module, stem: nn.Module, into_map: nn.Module, body: nn.Module
    ) -> None:
        super().__init__()
        self.into_latent, self.stem, self.into_map, self.body = into_latent, stem, into_map, body

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Map (b, latent_size), (b,) to images (b, c, s, s) in [-1, 1]."""
        base = apply_layer(self.stem, self.into_latent(latent, labels), labels)
        return apply_layer(self.body, self.into_map(base, labels), labels)


class Critic(nn.Module):
    """Scores images: logits, larger where the image looks real.

    Args:
        into_image: Joins labels to images.
        body: Joined images to scores.
    """

    def __init__(self, into_image: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.into_image, self.body = into_image, body

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, s, s) in [-1, 1], (b,) to scores (b,)."""
        scores = apply_layer(self.body, self.into_image(images, labels), labels)
        return scores.reshape(len(images))


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What a user chooses of a pair of networks, whatever the images.

    Attributes:
        latent_size: Length of the latent vector.
        base_channels: Channels at side s/2; doubled at each halving ("dcgan", "residual" above
            32 px), or the same everywhere ("constant"). See `residual_pair` for sides up to 32 px.
            Paper S4 has 32 at 32 px, paper S1 64 at 64 px.
        max_channels: Most channels of a map (not "constant").
        bias: Whether convolutions have biases ("dcgan" only; yes in paper S1, no in S4). Those of
            the critic always have them unless `critic_norm` is "batch".
        all_stride_2: Whether the critic's first convolution halves, too ("constant" only): yes in
            the text of paper S2, no in the notebook that it builds on.
        critic_norm: A name in `NORMS`: "batch", "layer", "instance", "spectral" or "none"; None is
            that of the layout: "batch" ("dcgan"), "none" ("constant") or "spectral" ("residual").
        critic_first_norm: Whether a norm follows the critic's first convolution ("residual" has
            none there). Yes in papers S1 and S4, no in Radford et al. (2016).
        attention: Whether both networks have self-attention, in their map of `attention_side`.
        initialization: A name in `INITIALIZATIONS`: "dcgan", "keras" or "xavier"; None is that of
            the layout.
    """

    latent_size: int = 100
    base_channels: int = 32
    max_channels: int = 512
    bias: bool = False
    all_stride_2: bool = False
    critic_norm: str | None = None
    critic_first_norm: bool = True
    attention: bool = False
    initialization: str | None = None

    def design(self, *, size: int, channels: int, n_classes: int, conditioning: str) -> "Design":
        """Return the design of these networks for images of shape (channels, size, size)."""
        return Design(
            size=size,
            channels=channels,
            n_classes=n_classes,
            conditioning=conditioning,
            **vars(self),
        )


@dataclass(frozen=True, kw_only=True)
class Design(Networks):
    """What a pair of networks is built from: the user's choice, the shape of images, the labels.

    Attributes:
        size: Side s of the square images.
        channels: Channels c of the images.
        n_classes: Number of labels; 1 with conditioning "none".
        conditioning: A name in `CONDITIONINGS`.
    """

    size: int
    channels: int
    n_classes: int = 1
    conditioning: str = "none"


class Parts:
    """The modules that a design determines, whatever the layout.

    Args:
        design: The design.
        side: Side of the generator's smallest map.
        critic_norm: Default of the layout, a name in `NORMS`.
        initialization: Default of the layout, a name in `INITIALIZATIONS`.

    Attributes:
        latent: Length of the latent with what labels append.
        image: Channels of the critic's image with what labels append.

    Raises:
        SettingError: No such conditioning, norm or initialization.
    """

    def __init__(self, design: Design, side: int, *, critic_norm: str, initialization: str) -> None:
        self.design = design
        self.critic_norm = design.critic_norm or critic_norm
        self.initialize = pick(
            INITIALIZATIONS, design.initialization or initialization, "initialization"
        )
        self._norm = pick(NORMS, self.critic_norm, "critic norm")
        self._conditioning = pick(CONDITIONINGS, design.conditioning, "conditioning")
        self.into_latent = self._conditioning.into_latent(design.n_classes)
        self.into_map = self._conditioning.into_map(design.n_classes, side)
        self.into_image = self._conditioning.into_image(design.n_classes, design.size)
        self.latent = design.latent_size + self.into_latent.extra
        self.image = design.channels + self.into_image.extra

    def attend(self, side: int, channels: int) -> list[nn.Module]:
        """Return self-attention if a map of this side has it, else nothing."""
        if self.design.attention and side == attention_side(self.design.size):
            return [SelfAttention(channels)]
        return []

    def generator_norm(self, channels: int) -> nn.Module:
        """Return a batch norm of the generator."""
        return self._conditioning.norm(self.design.n_classes, channels)

    def norm(self, channels: int, *, first: bool = False) -> list[nn.Module]:
        """Return the norm after a convolution of the critic (the first one), if there is any."""
        return [] if first and not self.design.critic_first_norm else self._norm(channels)

    def score(self, last: nn.Module, channels: int) -> nn.Module:
        """Return the last layer of the critic: (b, channels, s, s) -> b numbers."""
        return self._conditioning.score(last, self.design.n_classes, channels)

    def pair(
        self, stem: list[nn.Module], body: list[nn.Module], critic: list[nn.Module]
    ) -> tuple[Generator, Critic]:
        """Assemble both networks and draw their initial weights."""
        networks = (
            Generator(self.into_latent, Chain(*stem), self.into_map, Chain(*body)),
            Critic(self.into_image, Chain(*critic)),
        )
        for network in networks:
            network.apply(self.initialize)
        if self.critic_norm == SPECTRAL:  # not of the label planes, which are no layers
            constrain_spectra(networks[1].body)
        return networks
