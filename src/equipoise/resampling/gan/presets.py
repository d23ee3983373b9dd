"""Settings of `GANOversampler` by name: the papers' GANs (methods, appendix B), and one of each kind."""

from collections.abc import Mapping
from typing import Any

from equipoise.discovery import Family, pick
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.training.adaptive_augmentation import DEFAULT as ADA
from equipoise.training.regularizers import R1, Dragan, GradientPenalty, MismatchedLabels

Settings = Mapping[str, Any]

_AS_THE_DATA: Settings = {
    "batch_sampler": "natural",
    "alpha": "empirical",
}  # labels are as frequent as in the data

_S1: Settings = {
    "conditioning": "one_hot", "latent_size": 128, "base_channels": 64, "bias": True, "batch_size": 32,
    "learning_rate": 2e-3, "betas": (0.5, 0.999), "n_epochs": 200, "critic_loss_scale": 0.5,
}  # fmt: skip
_S1_WGANGP: Settings = {
    **_S1, "objective": "wasserstein", "critic_norm": "layer", "regularizers": (GradientPenalty(weight=5.0),),
    "critic_steps": 2, "critic_loss_scale": 1.0, "learning_rate": 2e-4, "n_epochs": 100,
}  # fmt: skip
_BAGAN_GP: Settings = {
    "layout": "bagan_gp", "conditioning": "product", "warm_start": "autoencoder", "latent_size": 128,
    "regularizers": (GradientPenalty(), MismatchedLabels()), "critic_steps": 5, "reuse_batch": True,
    "betas": (0.5, 0.9),
}  # fmt: skip
_S1_BAGAN_GP: Settings = {
    **_BAGAN_GP, "base_channels": 64, "batch_size": 128, "learning_rate": 2e-4, "n_epochs": 200,
    "warm_start_epochs": 50,
}  # fmt: skip
_S2: Settings = {
    "layout": "constant", "base_channels": 128, "latent_size": 100, "batch_size": 128, "learning_rate": 2e-4,
    "betas": (0.5, 0.999),
}  # fmt: skip
_S2_DCGAN: Settings = {**_S2, "conditioning": "per_class", "n_epochs": 160}
_S2_CDCGAN: Settings = {**_S2, "conditioning": "embedding", "alpha": 0.5, "n_epochs": 48}
_S2_LITERAL: Settings = {"learning_rate": 2e-3, "data_range": "unit"}
_NO_BATCH_NORM: Settings = {
    "conditioning": "projection",
    "initialization": "xavier",
    "betas": (0.0, 0.9),
}
_STRONG: Settings = {
    **_NO_BATCH_NORM, "objective": "hinge", "critic_norm": "spectral", "latent_size": 128, "learning_rate": 1e-3,
    "diffaugment": "translation,cutout", "ema_decay": 0.999,
}  # fmt: skip

PAPERS: Mapping[str, Settings] = {
    "s1_dcgan": _S1,
    "s1_dcgan_literal": {**_S1, **_AS_THE_DATA},
    "s1_lsgan": {**_S1, "objective": "least_squares"},
    "s1_lsgan_literal": {**_S1, **_AS_THE_DATA, "objective": "least_squares"},
    "s1_wgan_clip": {
        **_S1, "objective": "wasserstein", "clip": 0.01, "critic_steps": 5, "critic_loss_scale": 1.0,
        "optimizer": "rmsprop", "learning_rate": 5e-5, "batch_size": 64,
    },
    "s1_wgangp": _S1_WGANGP,
    "s1_wgangp_literal": {
        **_S1_WGANGP, **_AS_THE_DATA,
        "regularizers": (GradientPenalty(weight=5.0, interpolation="normal"),),
    },
    "s1_sngan": {
        "layout": "residual", "conditioning": "projection", "objective": "hinge", "latent_size": 128,
        "base_channels": 128, "max_channels": 1024, "critic_steps": 5, "batch_size": 64, "learning_rate": 2e-4,
        "betas": (0.0, 0.9), "n_epochs": 200,
    },
    "s1_bagan_gp": _S1_BAGAN_GP,
    "s1_bagan_gp_literal": {
        **_S1_BAGAN_GP, "batch_sampler": "natural",
        "regularizers": (GradientPenalty(interpolation="normal"), MismatchedLabels(wrong_label="uniform")),
    },
    "s2_dcgan": _S2_DCGAN,
    "s2_dcgan_literal": {**_S2_DCGAN, **_S2_LITERAL},
    "s2_cdcgan": _S2_CDCGAN,
    "s2_cdcgan_literal": {**_S2_CDCGAN, **_S2_LITERAL, "batch_sampler": "natural"},
    "s4_dcgan": {
        "conditioning": "per_class", "latent_size": 100, "base_channels": 32, "batch_size": 128,
        "learning_rate": 2e-4, "betas": (0.5, 0.999), "n_epochs": 200,
    },
    "strong_gan_literal": {
        **_STRONG, "layout": "residual", "base_channels": 64, "batch_size": 64, "learning_rate": 1e-4,
        "critic_learning_rate": 4e-4, "n_steps": 30_000,
    },
}  # fmt: skip
"""As appendix B has them; a name without "literal" repairs what its paper's code got wrong, and balances batches.

Not repeated: in S1's WGAN-GP the batch norm beside the penalty, and the slope in label planes (erratum 14); in its
LSGAN the doubled generator loss; its "SNGAN", whose code without spectral norm (erratum 10) is `s1_dcgan`.
"""

METHODS: Mapping[str, Settings] = {
    "dcgan": {"conditioning": "per_class"},
    "cdcgan": {"conditioning": "embedding"},
    "lsgan": {"conditioning": "one_hot", "objective": "least_squares"},
    "wgan_clip": {
        "conditioning": "one_hot", "objective": "wasserstein", "clip": 0.01, "critic_steps": 5,
        "optimizer": "rmsprop",
    },
    "wgan_gp": {
        "conditioning": "one_hot", "objective": "wasserstein", "critic_norm": "layer", "critic_steps": 5,
        "regularizers": ("gradient_penalty",), "betas": (0.0, 0.9),
    },
    "sngan": {
        "layout": "residual", "conditioning": "projection", "objective": "hinge", "betas": (0.0, 0.9),
    },
    "dcgan_sn": {**_NO_BATCH_NORM, "critic_norm": "spectral", "learning_rate": 1e-3},
    "dragan": {**_NO_BATCH_NORM, "critic_norm": "layer", "regularizers": (Dragan(weight=1.0),)},
    "r1": {**_NO_BATCH_NORM, "critic_norm": "layer", "regularizers": (R1(),)},
    "ada": {"conditioning": "embedding", "ada": ADA},
    "bagan_gp": {**_BAGAN_GP, "initialization": "dcgan"},
    "strong_gan": _STRONG,
}  # fmt: skip
"""One of each kind, for few and small images and short fits; steps and sizes are left to the caller.

A critic without batch norm does not see that all fakes of a batch are alike: in a few hundred steps on phantoms
nearly one image came out of DCGAN's first weights, Adam's beta1 of 0.5 and embedded labels, and many of Xavier's, 0
and projected labels. DRAGAN's weight is 1, not 10, and the embeddings of BAGAN-GP start at N(0, 1), not at
U(-0.05, 0.05), for the same reason.
"""

GAN_PRESETS: Mapping[str, Settings] = {**PAPERS, **METHODS}
FAMILY = Family(
    name="gan_presets",
    summary="Published settings of a GAN.",
    members=GAN_PRESETS,
)


def from_preset(name: str, **overrides: Any) -> GANOversampler:
    """Make a GAN from a preset, with other values for some of its settings.

    Raises:
        SettingError: No preset of that name.
    """
    return GANOversampler(**{**pick(GAN_PRESETS, name, "GAN preset"), **overrides})
