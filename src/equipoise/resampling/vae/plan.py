"""What the fit of a variational autoencoder depends on besides its images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from equipoise.arrays import ValueRange, value_range
from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.image_rows import ImageSource
from equipoise.networks.vae import VAEDesign
from equipoise.training.augmentation import AUGMENTATIONS
from equipoise.training.devices import PRECISIONS
from equipoise.training.variational import RECONSTRUCTIONS
from equipoise.validation import check_square

LEAST = {
    "n_steps": 1,
    "batch_size": 2,
    "latent_channels": 1,
    "base_channels": 1,
    "head_stride": 1,
}


class VAESettings(Protocol):
    """The settings of training; `VAEOversampler` describes them."""

    latent_channels: int
    base_channels: int
    head_stride: int
    n_steps: int
    batch_size: int
    learning_rate: float
    reconstruction: str
    beta: float
    augmentation: str
    precision: str
    seed_: int


@dataclass(frozen=True, kw_only=True)
class VAEPlan:
    """All that a fit depends on besides its images; the content key is made of its `repr`.

    Attributes:
        value_range: The stored values of black and white.
    """

    design: VAEDesign
    n_steps: int
    batch_size: int
    learning_rate: float
    reconstruction: str
    beta: float
    augmentation: str
    precision: str
    value_range: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        advice = [
            f"a lower learning_rate (now {self.learning_rate:g})",
            f"a lower beta (now {self.beta:g})",
            f"more n_steps (now {self.n_steps})",
        ]
        if self.precision != "32-true":
            advice.append("precision='32-true'")
        return f"For the VAE: try {', or '.join(advice)}."


def check_vae_settings(settings: VAESettings, trunk: str, side: int) -> None:
    """Refuse settings that cannot work on square images of that side.

    Raises:
        SettingError: A name is unknown, a number out of range, or the decoder cannot restore that
            side.
    """
    pick(RECONSTRUCTIONS, settings.reconstruction, "reconstruction")
    pick(AUGMENTATIONS, settings.augmentation, "augmentation")
    pick(PRECISIONS, settings.precision, "precision")
    for name, least in LEAST.items():
        if not getattr(settings, name) >= least:
            raise SettingError(
                f"Expected {name} of at least {least}, got {getattr(settings, name)}."
            )
    if not 0 < settings.learning_rate < 1:
        raise SettingError(f"Expected learning_rate between 0 and 1, got {settings.learning_rate}.")
    if not settings.beta >= 0:
        raise SettingError(f"Expected beta of at least 0, got {settings.beta}.")
    design_vae(settings, trunk, (1, side, side)).check()


def design_vae(settings: VAESettings, trunk: str, shape: Sequence[int]) -> VAEDesign:
    """Return what a VAE for images of shape (c, s, s) is built from."""
    return VAEDesign(
        trunk=trunk,
        size=shape[1],
        channels=shape[0],
        latent_channels=settings.latent_channels,
        head_stride=settings.head_stride,
        base_channels=settings.base_channels,
    )


def plan_vae(settings: VAESettings, trunk: str, images: ImageSource) -> VAEPlan:
    """Collect what a fit on images (n, c, s, s) depends on.

    Raises:
        DataError: The images are not square.
        SettingError: See `check_vae_settings`.
    """
    check_square(images)
    check_vae_settings(settings, trunk, images.shape[2])
    return VAEPlan(
        design=design_vae(settings, trunk, images.shape[1:]),
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        reconstruction=settings.reconstruction,
        beta=settings.beta,
        augmentation=settings.augmentation,
        precision=settings.precision,
        value_range=value_range(images),
        seed=settings.seed_,
    )
