"""What every pair of generator and critic is made of, whatever its layout."""

from dataclasses import dataclass

from torch import Tensor, nn

from equipoise.discovery import pick
from equipoise.networks.attention import SelfAttention, attention_side
from equipoise.networks.chain import Chain, passed
from equipoise.networks.conditioning import CONDITIONINGS
from equipoise.networks.initialization import INITIALIZATIONS
from equipoise.networks.normalization import NORMS, SPECTRAL, constrain_spectra


class Generator(nn.Module):
    """Makes images from latents: the latent becomes a small map, the map is doubled up to the image."""

    def __init__(
        self, into_latent: nn.Module, stem: nn.Module, into_map: nn.Module, body: nn.Module
    ) -> None:
        super().__init__()
        self.into_latent, self.stem, self.into_map, self.body = into_latent, stem, into_map, body

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """(b, latent_size), (b,) -> images (b, c, s, s) in [-1, 1]."""
        base = passed(self.stem, self.into_latent(latent, labels), labels)
        return passed(self.body, self.into_map(base, labels), labels)


class Critic(nn.Module):
    """Scores images: raw numbers (logits), larger where the image looks real."""

    def __init__(self, into_image: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.into_image, self.body = into_image, body

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(b, c, s, s) in [-1, 1], (b,) -> scores (b,)."""
        return passed(self.body, self.into_image(images, labels), labels).reshape(len(images))


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What a user chooses of a pair of networks, whatever the images.

    Attributes:
        latent_size: Length of the latent vector.
        base_channels: Channels at side s/2; doubled at each halving ("dcgan", "residual" above 32 px), or the same
            everywhere ("constant"). See `residual_pair` for its sides up to 32 px. Paper S4 has 32 at 32 px, paper
            S1 64 at 64 px.
        max_channels: Most channels of a map (not "constant").
        bias: Whether convolutions have biases ("dcgan" only; paper S1 has, S4 has not). The critic's always have
            where `critic_norm` is not "batch".
        all_stride_2: Whether the critic's first convolution halves too ("constant" only): paper S2's text reads so,
            the notebook that it builds on does not.
        critic_norm: A name in `NORMS`: "batch", "layer", "instance", "spectral" or "none"; None is the layout's
            own: "batch" ("dcgan"), "none" ("constant") or "spectral" ("residual").
        critic_first_norm: Whether a norm follows the critic's first convolution ("residual" has none there). Papers
            S1 and S4 have it, Radford et al. (2016) do not.
        attention: Whether both networks have self-attention, in their map of `attention_side`.
        initialization: A name in `INITIALIZATIONS`: "dcgan", "keras" or "xavier"; None is the layout's own.
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
    """What a pair of networks is built from: the user's choice, the shape of the images and their labels.

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
    """What a design asks for at the places of a layout where it has a say.

    Args:
        design: The design.
        side: Of the generator's smallest map.
        critic_norm: The layout's own; its name.
        initialization: The layout's own; its name.

    Raises:
        SettingError: No such conditioning, norm or initialization.
    """

    def __init__(self, design: Design, side: int, *, critic_norm: str, initialization: str) -> None:
        self.design, self.critic_norm = design, design.critic_norm or critic_norm
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
        """Self-attention, if a map of this side has it."""
        here = self.design.attention and side == attention_side(self.design.size)
        return [SelfAttention(channels)] if here else []

    def generator_norm(self, channels: int) -> nn.Module:
        """Batch norm of the generator."""
        return self._conditioning.norm(self.design.n_classes, channels)

    def norm(self, channels: int, *, first: bool = False) -> list[nn.Module]:
        """Norm of the critic behind a convolution (the first one), if there is any."""
        return [] if first and not self.design.critic_first_norm else self._norm(channels)

    def score(self, last: nn.Module, channels: int) -> nn.Module:
        """Last layer of the critic: (b, channels, s, s) -> b numbers."""
        return self._conditioning.score(last, self.design.n_classes, channels)

    def pair(
        self, stem: list[nn.Module], body: list[nn.Module], critic: list[nn.Module]
    ) -> tuple[Generator, Critic]:
        """Assemble both networks and draw their first weights."""
        networks = (
            Generator(self.into_latent, Chain(*stem), self.into_map, Chain(*body)),
            Critic(self.into_image, Chain(*critic)),
        )
        for network in networks:
            network.apply(self.initialize)
        if self.critic_norm == SPECTRAL:
            constrain_spectra(
                networks[1].body
            )  # not the planes of labels, which are beside the image's way
        return networks
