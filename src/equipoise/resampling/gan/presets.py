"""Recipes of GANs by name: those of the papers, and one of each kind for small data."""

from collections.abc import Mapping
from typing import Any

from equipoise.discovery import Family, pick
from equipoise.networks.design import Networks
from equipoise.randomness import RANDOM_STATE
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.settings import Recipe, Schedule
from equipoise.training.adaptive_augmentation import DEFAULT as ADA
from equipoise.training.adversarial import Game
from equipoise.training.regularizers import R1, Dragan, GradientPenalty, MismatchedLabels

_AS_THE_DATA: dict[str, str] = {  # labels as frequent as in the data
    "batch_sampler": "natural",
    "alpha": "empirical",
}

_S1 = Recipe(
    conditioning="one_hot",
    networks=Networks(latent_size=128, base_channels=64, bias=True),
    game=Game(critic_loss_scale=0.5),
    schedule=Schedule(n_epochs=200, batch_size=32, learning_rate=2e-3, betas=(0.5, 0.999)),
)
_S1_LSGAN = _S1.changed(objective="least_squares")
_S1_WGANGP = _S1.changed(
    critic_norm="layer",
    objective="wasserstein",
    regularizers=(GradientPenalty(weight=5.0),),
    critic_steps=2,
    critic_loss_scale=1.0,
    learning_rate=2e-4,
    n_epochs=100,
)
_BAGAN_GP = Recipe(
    layout="bagan_gp",
    conditioning="product",
    networks=Networks(latent_size=128),
    game=Game(
        regularizers=(GradientPenalty(), MismatchedLabels()), critic_steps=5, reuse_batch=True
    ),
    schedule=Schedule(warm_start="autoencoder", betas=(0.5, 0.9)),
)
_S1_BAGAN_GP = _BAGAN_GP.changed(
    base_channels=64, batch_size=128, learning_rate=2e-4, n_epochs=200, warm_start_epochs=50
)
_S2 = Recipe(
    layout="constant",
    networks=Networks(base_channels=128, latent_size=100),
    schedule=Schedule(batch_size=128, learning_rate=2e-4, betas=(0.5, 0.999)),
)
_S2_DCGAN = _S2.changed(conditioning="per_class", n_epochs=160)
_S2_CDCGAN = _S2.changed(conditioning="embedding", alpha=0.5, n_epochs=48)
_S2_LITERAL: dict[str, float | str] = {"learning_rate": 2e-3, "data_range": "unit"}
_NO_BATCH_NORM = Recipe(
    conditioning="projection",
    networks=Networks(initialization="xavier"),
    schedule=Schedule(betas=(0.0, 0.9)),
)
_STRONG = _NO_BATCH_NORM.changed(
    critic_norm="spectral",
    latent_size=128,
    objective="hinge",
    diffaugment="translation,cutout",
    learning_rate=1e-3,
    ema_decay=0.999,
)

PAPERS: Mapping[str, Recipe] = {
    "s1_dcgan": _S1,
    "s1_dcgan_literal": _S1.changed(**_AS_THE_DATA),
    "s1_lsgan": _S1_LSGAN,
    "s1_lsgan_literal": _S1_LSGAN.changed(**_AS_THE_DATA),
    "s1_wgan_clip": _S1.changed(
        objective="wasserstein",
        clip=0.01,
        critic_steps=5,
        critic_loss_scale=1.0,
        optimizer="rmsprop",
        learning_rate=5e-5,
        batch_size=64,
    ),
    "s1_wgangp": _S1_WGANGP,
    "s1_wgangp_literal": _S1_WGANGP.changed(
        regularizers=(GradientPenalty(weight=5.0, interpolation="normal"),), **_AS_THE_DATA
    ),
    "s1_sngan": Recipe(
        layout="residual",
        conditioning="projection",
        networks=Networks(latent_size=128, base_channels=128, max_channels=1024),
        game=Game(objective="hinge", critic_steps=5),
        schedule=Schedule(n_epochs=200, batch_size=64, learning_rate=2e-4, betas=(0.0, 0.9)),
    ),
    "s1_bagan_gp": _S1_BAGAN_GP,
    "s1_bagan_gp_literal": _S1_BAGAN_GP.changed(
        batch_sampler="natural",
        regularizers=(
            GradientPenalty(interpolation="normal_at_real"),
            MismatchedLabels(wrong_label="uniform"),
        ),
    ),
    "s2_dcgan": _S2_DCGAN,
    "s2_dcgan_literal": _S2_DCGAN.changed(**_S2_LITERAL),
    "s2_cdcgan": _S2_CDCGAN,
    "s2_cdcgan_literal": _S2_CDCGAN.changed(batch_sampler="natural", **_S2_LITERAL),
    "s4_dcgan": Recipe(
        conditioning="per_class",
        networks=Networks(latent_size=100, base_channels=32),
        schedule=Schedule(n_epochs=200, batch_size=128, learning_rate=2e-4, betas=(0.5, 0.999)),
    ),
    "strong_gan_literal": _STRONG.changed(
        layout="residual",
        base_channels=64,
        batch_size=64,
        learning_rate=1e-4,
        critic_learning_rate=4e-4,
        n_steps=30_000,
    ),
}
"""The papers' GANs; a name without "literal" repairs its paper's code and balances batches.

Not repeated of paper S1: in its WGAN-GP the batch norm beside the penalty and the penalty on the
slope in label planes; in its LSGAN the doubled generator loss; its "SNGAN", whose code has no
spectral norm and is `s1_dcgan`.
"""

METHODS: Mapping[str, Recipe] = {
    "dcgan": Recipe(conditioning="per_class"),
    "cdcgan": Recipe(conditioning="embedding"),
    "lsgan": Recipe(conditioning="one_hot", game=Game(objective="least_squares")),
    "wgan_clip": Recipe(
        conditioning="one_hot",
        game=Game(objective="wasserstein", clip=0.01, critic_steps=5),
        schedule=Schedule(optimizer="rmsprop"),
    ),
    "wgan_gp": Recipe(
        conditioning="one_hot",
        networks=Networks(critic_norm="layer"),
        game=Game(objective="wasserstein", regularizers=(GradientPenalty(),), critic_steps=5),
        schedule=Schedule(betas=(0.0, 0.9)),
    ),
    "sngan": Recipe(
        layout="residual",
        conditioning="projection",
        game=Game(objective="hinge"),
        schedule=Schedule(betas=(0.0, 0.9)),
    ),
    "dcgan_sn": _NO_BATCH_NORM.changed(critic_norm="spectral", learning_rate=1e-3),
    "dragan": _NO_BATCH_NORM.changed(critic_norm="layer", regularizers=(Dragan(weight=1.0),)),
    "r1": _NO_BATCH_NORM.changed(critic_norm="layer", regularizers=(R1(),)),
    "ada": Recipe(conditioning="embedding", game=Game(ada=ADA)),
    "bagan_gp": _BAGAN_GP.changed(initialization="dcgan"),
    "strong_gan": _STRONG,
}
"""One of each kind, for few and small images and short fits; the caller sets steps and sizes.

A critic without batch norm does not notice that all fakes of a batch are alike: in a few hundred
steps on phantoms nearly one image came out of DCGAN's first weights, Adam's beta1 of 0.5 and
embedded labels, and many of Xavier's, 0 and projected labels. DRAGAN's weight is 1, not 10, and the
embeddings of BAGAN-GP start at N(0, 1), not at U(-0.05, 0.05), for the same reason.
"""

GAN_PRESETS: Mapping[str, Recipe] = {**PAPERS, **METHODS}
FAMILY = Family(
    name="gan_presets",
    summary="Published settings of a GAN.",
    members=GAN_PRESETS,
)

OUTSIDE_THE_RECIPE = ("sampling_strategy", RANDOM_STATE, "device")


def from_preset(name: str, **overrides: Any) -> GANOversampler:
    """Build a GAN from a preset, with other values for some settings.

    Args:
        name: Of a row of `GAN_PRESETS`.
        overrides: Parameters of `GANOversampler`, or fields of its `Networks`, `Game` and
            `Schedule` by name.

    Raises:
        SettingError: No preset or no setting of that name.

    Example:
        >>> gan = from_preset("wgan_gp", n_steps=500, base_channels=16, device="cpu")
        >>> gan.schedule.n_steps, gan.networks.base_channels, gan.game.objective
        (500, 16, 'wasserstein')
    """
    outer = {name: overrides.pop(name) for name in OUTSIDE_THE_RECIPE if name in overrides}
    recipe = pick(GAN_PRESETS, name, "GAN preset").changed(**overrides)
    return GANOversampler(**vars(recipe), **outer)
