"""Methods that fill small classes up with images of a generator, all with as many updates of their networks."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler

if TYPE_CHECKING:
    from equipoise.resampling.vae.pretraining import VAEPretraining

Balance = Callable[[Budget], Resampler]


def _gan(preset: str, *, narrower: int = 1) -> Balance:
    """Make a preset's GAN; networks that cost more for their channels are `narrower`."""

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.gan.presets import GAN_PRESETS, from_preset

        settings = {**_shared(budget), "base_channels": max(1, budget.gan_channels // narrower)}
        critic_steps = GAN_PRESETS[preset].game.critic_steps
        return from_preset(preset, n_steps=budget.rounds(critic_steps), **settings)

    return balance


def _bagan(budget: Budget) -> Resampler:
    from equipoise.resampling.bagan.oversampler import BAGANOversampler

    half, channels = (
        max(1, budget.gan_steps // 2),
        max(1, budget.gan_channels // 4),
    )  # two stages of wide networks
    settings = {
        **_shared(budget),
        "base_channels": channels,
        "latent_size": 64,
        "learning_rate": 5e-4,
    }
    return BAGANOversampler(warm_start_steps=half, n_steps=half, **settings)


def _vae(mode: str) -> Balance:
    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.vae.oversampler import VAEOversampler

        return VAEOversampler(mode=mode, trunk=budget.network, **_vae_settings(budget))

    return balance


def _denoiser(process: str) -> Balance:
    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.diffusion.oversampler import DiffusionOversampler

        settings = {
            **_shared(budget),
            "batch_size": budget.gan_batch_size // 2,
        }  # many small steps learn more
        return DiffusionOversampler(process=process, n_steps=budget.updates, **settings)

    return balance


def pretraining(budget: Budget) -> "VAEPretraining":
    """Pretrain the classifier as the encoder of the VAE of methods `vae`: one fit serves both."""
    from equipoise.resampling.vae.pretraining import VAEPretraining

    return VAEPretraining(**_vae_settings(budget))


def _vae_settings(budget: Budget) -> Mapping[str, Any]:
    return {
        "n_steps": budget.updates,
        "batch_size": budget.gan_batch_size,
        "latent_channels": 2 * budget.gan_channels,
        "base_channels": budget.gan_channels // 4,
        "learning_rate": 2e-3,
        "precision": budget.gan_precision,
        "device": budget.device,
    }


def _shared(budget: Budget) -> Mapping[str, Any]:
    return {
        "batch_size": budget.gan_batch_size,
        "base_channels": budget.gan_channels,
        "precision": budget.gan_precision,
        "device": budget.device,
    }


METHODS = (
    Method(
        name="vae",
        summary="Small classes are filled up by images that a VAE decodes near those of the class (paper S0).",
        balance=_vae("posterior"),
    ),
    Method(
        name="vae_smote",
        summary="Small classes are filled up by blends in the latent space of the VAE, decoded.",
        balance=_vae("smote"),
    ),
    Method(
        name="vae_pretraining",
        summary="The classifier starts from the encoder of the VAE; no image is added (paper S0).",
        classifier=lambda budget: {"pretraining": pretraining(budget)},
    ),
    Method(
        name="vae_transfer",
        summary="All of paper S0: images of the VAE, its encoder, and the price on missed images.",
        balance=_vae("posterior"),
        classifier=lambda budget: {"pretraining": pretraining(budget), "loss": "rwwce_real"},
    ),
    Method(
        name="dcgan",
        summary="Small classes are filled up by a DCGAN of their own (papers S1, S4).",
        balance=_gan("dcgan"),
    ),
    Method(
        name="cdcgan",
        summary="Small classes are filled up by one DCGAN of all classes that is told the class (paper S2).",
        balance=_gan("cdcgan"),
    ),
    Method(
        name="cdcgan_mix",
        summary="The same; every batch holds as many synthetic images.",
        balance=_gan("cdcgan"),
        classifier=lambda _budget: {"batch_sampler": "synthetic_mix"},
    ),
    Method(
        name="cdcgan_half",
        summary="The same as cdcgan; a synthetic image counts half in the loss.",
        balance=_gan("cdcgan"),
        classifier=lambda _budget: {"synthetic_weight": 0.5},
    ),
    Method(
        name="cdcgan_crt",
        summary="The same as cdcgan; then the last layer is trained again on real images, balanced.",
        balance=_gan("cdcgan"),
        classifier=lambda _budget: {"second_stage": "crt"},
    ),
    Method(
        name="lsgan",
        summary="One DCGAN of all classes by least squares (paper S1).",
        balance=_gan("lsgan"),
    ),
    Method(
        name="wgan_clip",
        summary="One GAN of all classes whose critic measures a distance; its weights are clipped.",
        balance=_gan("wgan_clip"),
    ),
    Method(
        name="wgan_gp",
        summary="The same with a penalty on the critic's gradient in place of clipping (paper S1's code).",
        balance=_gan("wgan_gp"),
    ),
    Method(
        name="dragan",
        summary="One DCGAN of all classes with a penalty on the critic's gradient around real images.",
        balance=_gan("dragan"),
    ),
    Method(
        name="r1",
        summary="One DCGAN of all classes with a penalty on the critic's gradient at real images.",
        balance=_gan("r1"),
    ),
    Method(
        name="dcgan_sn",
        summary="One DCGAN of all classes with spectral norm in the critic (what paper S1 calls SNGAN).",
        balance=_gan("dcgan_sn"),
    ),
    Method(
        name="sngan",
        summary="Residual networks, spectral norm, hinge and projection: SNGAN as it was published.",
        balance=_gan("sngan", narrower=4),
    ),
    Method(
        name="bagan",
        summary="The original BAGAN: autoencoder, Gaussians of classes, a critic that names the class.",
        balance=_bagan,
    ),
    Method(
        name="bagan_gp",
        summary="Improved BAGAN: supervised autoencoder, wrong labels, gradient penalty (paper S1's own).",
        balance=_gan("bagan_gp", narrower=2),
    ),
    Method(
        name="ada",
        summary="One DCGAN of all classes; its critic sees augmented images, the more the surer it is.",
        balance=_gan("ada"),
    ),
    Method(
        name="strong_gan",
        summary="Projection, spectral norm, hinge and DiffAugment in one GAN of all classes.",
        balance=_gan("strong_gan"),
    ),
    Method(
        name="edm",
        summary="Small classes are filled up by a diffusion model of all classes (EDM).",
        balance=_denoiser("edm"),
    ),
    Method(
        name="ddpm",
        summary="The same by the original diffusion (DDPM, sampled by DDIM).",
        balance=_denoiser("ddpm"),
    ),
    Method(
        name="flow",
        summary="The same by a rectified flow.",
        balance=_denoiser("rectified_flow"),
    ),
)
