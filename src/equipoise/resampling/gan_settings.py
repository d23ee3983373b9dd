"""Settings of a GAN that cannot work, alone or together, are refused with the reason."""

from collections.abc import Mapping
from typing import Any

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.networks.conditioning import CONDITIONINGS
from equipoise.networks.convolutional import LAYOUTS
from equipoise.networks.sizes import check_size
from equipoise.resampling.gan_fit import OPTIMIZERS
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.devices import PRECISIONS
from equipoise.training.diffaugment import diffaugment
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.ranges import DATA_RANGES
from equipoise.training.regularizers import regularizer

PER_CLASS = "per_class"
WARM_STARTS = ("none", "autoencoder")

Settings = Mapping[str, Any]  # the parameters of a `GANOversampler` by name

NAMES: Mapping[str, tuple[Mapping[str, Any], str]] = {  # setting: what it may be, and what it is called
    "objective": (OBJECTIVES, "objective"),
    "layout": (LAYOUTS, "layout"),
    "batch_sampler": (BATCH_SAMPLERS, "batch sampler"),
    "precision": (PRECISIONS, "precision"),
    "optimizer": (dict.fromkeys(OPTIMIZERS), "optimizer"),
    "data_range": (DATA_RANGES, "data range"),
    "warm_start": (dict.fromkeys(WARM_STARTS), "warm start"),
    "conditioning": (dict.fromkeys({PER_CLASS, *CONDITIONINGS} - {"none"}), "conditioning"),
}
LEAST = {
    "n_steps": 1, "batch_size": 2, "latent_size": 1, "base_channels": 1, "max_channels": 1, "critic_steps": 1,
}  # fmt: skip
SHARES = ("learning_rate", "critic_learning_rate", "ema_decay")  # between 0 and 1, or None
POSITIVE = ("n_epochs", "clip", "critic_loss_scale")  # above 0, or None


def check_gan_settings(settings: Settings, side: int) -> None:
    """Refuse what cannot work on square images of that side in pixels.

    Raises:
        SettingError: A name is unknown, a number out of range, two settings contradict each other, or the side
            does not suit.
    """
    for setting, (table, kind) in NAMES.items():
        pick(table, settings[setting], kind)
    diffaugment(settings["diffaugment"])
    _check_numbers(settings)
    _check_labels(settings)
    _check_critic(settings)
    check_size(side)


def _check_numbers(settings: Settings) -> None:
    for name, least in LEAST.items():
        if not settings[name] >= least:
            raise SettingError(f"Expected {name} of at least {least}, got {settings[name]}.")
    for name in SHARES:
        if settings[name] is not None and not 0 < settings[name] < 1:
            raise SettingError(f"Expected {name} between 0 and 1, got {settings[name]}.")
    for name in POSITIVE:
        if settings[name] is not None and not settings[name] > 0:
            raise SettingError(f"Expected {name} above 0, got {settings[name]}.")


def _check_labels(settings: Settings) -> None:
    """Refuse what needs labels in a fit of one class."""
    if settings["conditioning"] != PER_CLASS:
        return
    if settings["alpha"] != "uniform":
        raise SettingError(
            f"alpha={settings['alpha']!r} needs a conditional generator: give conditioning='embedding'."
        )
    if "mismatched_labels" in _regularizer_names(settings):
        raise SettingError(
            "The regularizer 'mismatched_labels' needs other labels to choose from: give conditioning='embedding'."
        )


def _check_critic(settings: Settings) -> None:
    """Refuse a critic that is bound twice, or not at all where it has to be."""


def _regularizer_names(settings: Settings) -> list[str]:
    return [regularizer(given).name for given in settings["regularizers"]]
