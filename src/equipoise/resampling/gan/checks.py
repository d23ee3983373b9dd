"""Refuse settings of a GAN that cannot work, alone or together, and name the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.networks.conditioning import CONDITIONINGS
from equipoise.networks.layouts import LAYOUTS, build_pair
from equipoise.resampling.gan.settings import PER_CLASS, Recipe, Schedule
from equipoise.resampling.gan.warm_start import WARM_STARTS
from equipoise.training.adaptive_augmentation import AdaptiveAugmentation
from equipoise.training.adversarial import Game
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import PRECISIONS
from equipoise.training.diffaugment import diffaugment
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.ranges import DATA_RANGES

OPTIMIZERS = ("adam", "rmsprop")
ALLOWED: Mapping[str, Sequence[str]] = {
    "objective": tuple(OBJECTIVES),
    "layout": tuple(LAYOUTS),
    "batch_sampler": tuple(BATCH_SAMPLERS),
    "precision": tuple(PRECISIONS),
    "optimizer": OPTIMIZERS,
    "data_range": tuple(DATA_RANGES),
    "warm_start": WARM_STARTS,
    "conditioning": tuple({PER_CLASS, *CONDITIONINGS} - {"none"}),
}
LEAST = {
    "n_steps": 1,
    "batch_size": 2,
    "latent_size": 1,
    "base_channels": 1,
    "max_channels": 1,
    "critic_steps": 1,
    "warm_start_steps": 1,
}
BETWEEN_0_AND_1 = ("learning_rate", "critic_learning_rate", "ema_decay")  # or None
POSITIVE = ("n_epochs", "warm_start_epochs", "clip", "critic_loss_scale")  # or None
EQUAL_SHARES = 0.02  # largest difference between shares of labels that count as equal


def check_recipe(recipe: Recipe, side: int) -> None:
    """Refuse what cannot work on square images of that side in pixels.

    Raises:
        SettingError: A name is unknown, a number out of range, two settings contradict each other,
            or the side is not suitable.
    """
    settings = recipe.flat()
    for setting, names in ALLOWED.items():
        pick(dict.fromkeys(names), settings[setting], setting.replace("_", " "))
    _check_numbers(settings, recipe.schedule)
    _check_labels(recipe)
    _check_augmentation(recipe.game)
    _check_critic(recipe, side)
    warm_start = recipe.schedule.warm_start
    if warm_start != "none" and recipe.layout != "bagan_gp":
        raise SettingError(
            f"warm_start={warm_start!r} needs the encoder of layout 'bagan_gp', got "
            f"layout={recipe.layout!r}. Use layout='bagan_gp' and conditioning='product', or "
            "warm_start='none'."
        )


def check_label_mix(
    recipe: Recipe, side: int, fake_shares: Sequence[float], counts: Sequence[int]
) -> None:
    """Refuse label frequencies of fakes by which batch norm would give fakes away.

    The label is a plane of the critic's input, and batch norm shifts all images of a batch by the
    mean of that plane: where real batches are half and half and fakes one to three, the critic need
    not look at any image. On 1,520 films at 32 px, alpha=0.25 gave noise after 600 steps (diversity
    0.06 to 0.08 of real images), and films without batch norm (0.88 to 0.93). Paper S2, whose alpha
    this is, has no batch norm.

    Args:
        recipe: Of a conditional GAN.
        side: Of the images, in pixels.
        fake_shares: (k,) share of each label among fakes.
        counts: (k,) training images of each class.

    Raises:
        SettingError: The shares differ from those of real batches, and the critic has batch norm.
    """
    balanced = recipe.schedule.batch_sampler == "balanced"
    real_shares = [1 / len(counts) if balanced else n / sum(counts) for n in counts]
    difference = max(abs(a - b) for a, b in zip(fake_shares, real_shares, strict=True))
    if recipe.conditioning == "projection" or difference < EQUAL_SHARES:
        return
    if _has_batch_norm(_small_critic(recipe, side)):
        fake = ", ".join(f"{share:.2f}" for share in fake_shares)
        real = ", ".join(f"{share:.2f}" for share in real_shares)
        raise SettingError(
            "Expected the labels of fakes to be as frequent as in batches of real images, "
            f"because the critic has batch norm; got {fake} against {real}. Use layout='constant' "
            "(paper S2), critic_norm='layer' or 'spectral', or alpha='uniform' with "
            "batch_sampler='balanced'."
        )


def _check_numbers(settings: Mapping[str, Any], schedule: Schedule) -> None:
    for name, least in LEAST.items():
        if not settings[name] >= least:
            raise SettingError(f"Expected {name} of at least {least}, got {settings[name]}.")
    for name in BETWEEN_0_AND_1:
        if settings[name] is not None and not 0 < settings[name] < 1:
            raise SettingError(f"Expected {name} between 0 and 1, got {settings[name]}.")
    betas = schedule.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise SettingError(f"Expected betas as two numbers of at least 0 and below 1, got {betas}.")
    for name in POSITIVE:
        if settings[name] is not None and not settings[name] > 0:
            raise SettingError(f"Expected {name} above 0, got {settings[name]}.")


def _check_labels(recipe: Recipe) -> None:
    """Refuse what needs labels in a fit of one class."""
    if recipe.conditional:
        return
    if recipe.alpha != "uniform":
        raise SettingError(
            f"alpha={recipe.alpha!r} needs a conditional generator: use conditioning='embedding'."
        )
    if any(r.name == "mismatched_labels" for r in recipe.game.regularizers):
        raise SettingError(
            "The regularizer 'mismatched_labels' needs wrong labels to draw from: use "
            "conditioning='embedding'."
        )


def _check_critic(recipe: Recipe, side: int) -> None:
    """Refuse a critic whose slope is bounded twice, or not at all where it has to be."""
    game = recipe.game
    critic = _small_critic(recipe, side)
    spectral = any(is_parametrized(module) for module in critic.modules())
    slopes = [r.name for r in game.critic_regularizers if r.of_slope]
    if slopes and _has_batch_norm(critic):
        raise SettingError(
            f"The regularizer '{slopes[0]}' needs the gradient of each score at its own image, "
            "and batch norm makes every score depend on the whole batch. Use "
            "critic_norm='layer', 'instance' or 'none'."
        )
    wasserstein = game.objective == "wasserstein"
    if wasserstein and not (game.clip or slopes or spectral):
        raise SettingError(
            "Objective 'wasserstein' needs a critic of bounded slope, or its scores grow without "
            "end. Use clip=0.01, regularizers=('gradient_penalty',) or critic_norm='spectral'."
        )
    if game.clip and not wasserstein:
        raise SettingError(
            f"clip={game.clip} belongs to objective='wasserstein', got "
            f"objective='{game.objective}'. Use clip=None."
        )
    if game.clip and (slopes or spectral):
        other = f"the regularizer '{slopes[0]}'" if slopes else "critic_norm='spectral'"
        raise SettingError(f"Use either clip or {other}: both bound the critic's slope.")


def _check_augmentation(game: Game) -> None:
    """Refuse two augmentations, and ADA on scores whose sign has no meaning."""
    diffaugment(game.diffaugment)
    AdaptiveAugmentation(game.ada, torch.device("cpu"))
    if not game.ada:
        return
    if game.diffaugment:
        raise SettingError("Use either ada or diffaugment: both change all that the critic sees.")
    if not OBJECTIVES[game.objective].real_above_0:
        raise SettingError(
            f"ada counts real images with a score above 0, and with objective='{game.objective}' "
            "0 does not lie between real and fake. Use 'non_saturating' or 'hinge', or "
            "diffaugment in place of ada."
        )


def _small_critic(recipe: Recipe, side: int) -> nn.Module:
    """Build a critic with the fewest channels, to inspect its layers."""
    smallest = replace(recipe.networks, latent_size=1, base_channels=1, max_channels=1)
    design = smallest.design(
        size=side,
        channels=1,
        n_classes=2 if recipe.conditional else 1,
        conditioning=recipe.conditioning if recipe.conditional else "none",
    )
    with isolated_chance("only looked at"):
        return build_pair(recipe.layout, design)[1]


def _has_batch_norm(critic: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in critic.modules())
