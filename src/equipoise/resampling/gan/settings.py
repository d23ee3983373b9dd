"""Settings of a GAN that cannot work, alone or together, are refused with the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.networks.conditioning import CONDITIONINGS
from equipoise.networks.design import Design
from equipoise.networks.layouts import LAYOUTS, build_pair
from equipoise.resampling.gan.fit import OPTIMIZERS
from equipoise.resampling.gan.warm_start import WARM_STARTS
from equipoise.training.adaptive_augmentation import AdaptiveAugmentation
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import PRECISIONS
from equipoise.training.diffaugment import diffaugment
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.ranges import DATA_RANGES
from equipoise.training.regularizers import Regularizer, regularizer

PER_CLASS = "per_class"

Settings = Mapping[str, Any]  # the parameters of a `GANOversampler` by name

NAMES: Mapping[
    str, tuple[Mapping[str, Any], str]
] = {  # setting: what it may be, and what it is called
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
    "warm_start_steps": 1,
}  # fmt: skip
SHARES = ("learning_rate", "critic_learning_rate", "ema_decay")  # between 0 and 1, or None
OF_LAYERS = ("bias", "critic_norm", "critic_first_norm", "attention", "initialization")
ALIKE = 0.02  # shares of labels this near are the same
POSITIVE = ("n_epochs", "warm_start_epochs", "clip", "critic_loss_scale")  # above 0, or None


def check_gan_settings(settings: Settings, side: int) -> None:
    """Refuse what cannot work on square images of that side in pixels.

    Raises:
        SettingError: A name is unknown, a number out of range, two settings contradict each other, or the side
            does not suit.
    """
    for setting, (table, kind) in NAMES.items():
        pick(table, settings[setting], kind)
    _check_numbers(settings)
    _check_labels(settings)
    _check_augmentation(settings)
    _check_critic(settings, side)
    if settings["warm_start"] != "none" and settings["layout"] != "bagan_gp":
        raise SettingError(
            f"warm_start={settings['warm_start']!r} needs the encoder of layout 'bagan_gp', got layout="
            f"{settings['layout']!r}. Give layout='bagan_gp' and conditioning='product', or warm_start='none'."
        )


def _check_numbers(settings: Settings) -> None:
    for name, least in LEAST.items():
        if not settings[name] >= least:
            raise SettingError(f"Expected {name} of at least {least}, got {settings[name]}.")
    for name in SHARES:
        if settings[name] is not None and not 0 < settings[name] < 1:
            raise SettingError(f"Expected {name} between 0 and 1, got {settings[name]}.")
    if len(betas := tuple(settings["betas"])) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise SettingError(f"Expected betas as two numbers of at least 0 and below 1, got {betas}.")
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
    if any(r.name == "mismatched_labels" for r in _regularizers(settings)):
        raise SettingError(
            "The regularizer 'mismatched_labels' needs wrong labels to choose from: give conditioning='embedding'."
        )


def _check_critic(settings: Settings, side: int) -> None:
    """Refuse a critic that is bound twice, or not at all where it has to be."""
    modules = list(_critic(settings, side).modules())
    spectral = any(is_parametrized(module) for module in modules)
    slopes = [r.name for r in _regularizers(settings) if r.of_slope]
    if slopes and any(isinstance(module, nn.BatchNorm2d) for module in modules):
        raise SettingError(
            f"The regularizer '{slopes[0]}' needs the slope of each score at its own image, and batch norm makes "
            "every score depend on the whole batch. Give critic_norm='layer', 'instance' or 'none'."
        )
    wasserstein = settings["objective"] == "wasserstein"
    if wasserstein and not (settings["clip"] or slopes or spectral):
        raise SettingError(
            "Objective 'wasserstein' needs a critic of bounded slope, or its scores grow without end. Give "
            "clip=0.01, regularizers=('gradient_penalty',) or critic_norm='spectral'."
        )
    if settings["clip"] and not wasserstein:
        raise SettingError(
            f"clip={settings['clip']} belongs to objective='wasserstein'; leave it out."
        )
    if settings["clip"] and (slopes or spectral):
        other = f"the regularizer '{slopes[0]}'" if slopes else "critic_norm='spectral'"
        raise SettingError(f"Give either clip or {other}: both bound the critic's slope.")


def check_label_mix(
    settings: Settings, side: int, fakes: Sequence[float], counts: Sequence[int]
) -> None:
    """Refuse a mix of labels among fakes by which batch norm tells the critic fakes from real images.

    The label is a plane of the critic's input there, and batch norm shifts all images of a batch by the mean of
    that plane: where real batches are half and half and fakes one to three, the critic need not look at any image.
    On 1,520 films at 32 px, alpha=0.25 gave noise after 600 steps (diversity 0.06 to 0.08 of real images), and
    films without batch norm (0.88 to 0.93); paper S2, whose alpha this is, has none.

    Args:
        settings: Of a conditional GAN.
        side: Of the images, in pixels.
        fakes: (k,) share of each label among fakes.
        counts: (k,) training images of each class.

    Raises:
        SettingError: The shares differ from those of real batches, and the critic has batch norm.
    """
    balanced = settings["batch_sampler"] == "balanced"
    real = [1 / len(counts) if balanced else n / sum(counts) for n in counts]
    apart = max(abs(a - b) for a, b in zip(fakes, real, strict=True))
    if settings["conditioning"] == "projection" or apart < ALIKE:
        return
    if any(isinstance(module, nn.BatchNorm2d) for module in _critic(settings, side).modules()):
        shares = [", ".join(f"{share:.2f}" for share in shares) for shares in (fakes, real)]
        raise SettingError(
            "Expected labels of fakes as frequent as in batches of real images where the critic has batch norm, "
            f"got {shares[0]} against {shares[1]}. Give layout='constant' (paper S2), critic_norm='layer' or "
            "'spectral', or alpha='uniform' with batch_sampler='balanced'."
        )


def _critic(settings: Settings, side: int) -> nn.Module:
    """Build a critic of the fewest channels, to look at its layers; refuses what its layout has no place for."""
    per_class = settings["conditioning"] == PER_CLASS
    design = Design(
        size=side,
        channels=1,
        n_classes=1 if per_class else 2,
        conditioning="none" if per_class else settings["conditioning"],
        latent_size=1,
        base_channels=1,
        max_channels=1,
        **{setting: settings[setting] for setting in OF_LAYERS},
    )
    with isolated_chance("only looked at"):
        return build_pair(settings["layout"], design)[1]


def _check_augmentation(settings: Settings) -> None:
    """Refuse two augmentations, and one that adapts to scores whose sign says nothing."""
    diffaugment(settings["diffaugment"])
    AdaptiveAugmentation(settings["ada"], torch.device("cpu"))
    if not settings["ada"]:
        return
    if settings["diffaugment"]:
        raise SettingError("Give either ada or diffaugment: both change all that the critic sees.")
    if not OBJECTIVES[settings["objective"]].real_above_0:
        raise SettingError(
            f"ada counts real images with a score above 0, and with objective='{settings['objective']}' 0 does not "
            "lie between real and fake. Give 'non_saturating' or 'hinge', or diffaugment in place of ada."
        )


def _regularizers(settings: Settings) -> list[Regularizer]:
    if isinstance(given := settings["regularizers"], str):
        raise SettingError(
            f"Expected regularizers as a tuple, for example ('{given}',), got '{given}'."
        )
    made = [regularizer(one) for one in given]
    names = [r.name for r in made]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"Expected every regularizer once, got '{twice[0]}' more than once.")
    return made
