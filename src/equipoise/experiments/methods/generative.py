"""Methods that fill small classes up with images of a generator.

All make the same number of network updates.
`CURATED` are the same with filters between the generator and the classifier.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from equipoise.experiments.methods.method import Balance, Method
from equipoise.experiments.protocol import Budget, chosen_precision
from equipoise.resampling.base import Oversampler, Params, Resampler

if TYPE_CHECKING:
    from equipoise.resampling.vae.pretraining import VAEPretraining

# Methods whose generators train faster in bfloat16 and make images that are as near to real ones:
# measured by `benchmarks.precision`.
SUIT_BFLOAT16 = frozenset({"dcgan", "cdcgan", "sngan", "edm"})
CURATED_BASES = ("dcgan", "cdcgan", "edm")  # methods whose images are filtered in `CURATED`


def at_generator_side(method: Method) -> Method:
    """Return a method whose generator, if any, works at the side that the budget names."""
    balance = method.balance
    if balance is None:
        return method

    def sized(budget: Budget) -> Resampler:
        generator = balance(budget)
        if budget.gan_side is None or not isinstance(generator, Oversampler):
            return generator
        from equipoise.resampling.resized import ResizedOversampler

        return ResizedOversampler(generator, side=budget.gan_side)

    return replace(method, balance=sized)


def gan_preset(preset: str, *, narrower: int = 1) -> Balance:
    """Return what builds the GAN of a preset; expensive networks are `narrower`."""

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.gan.presets import GAN_PRESETS, from_preset

        settings = shared_settings(budget, preset)
        settings["base_channels"] = max(1, budget.gan_channels // narrower)
        critic_steps = GAN_PRESETS[preset].game.critic_steps
        return from_preset(preset, n_steps=budget.rounds(critic_steps), **settings)

    return balance


def bagan(budget: Budget) -> Resampler:
    """Build the original BAGAN: half of the steps for its autoencoder, fewer channels."""
    from equipoise.resampling.bagan.oversampler import BAGANOversampler

    half = max(1, budget.gan_steps // 2)
    settings = shared_settings(budget, "bagan")
    settings["base_channels"] = max(1, budget.gan_channels // 4)
    return BAGANOversampler(
        warm_start_steps=half, n_steps=half, latent_size=64, learning_rate=5e-4, **settings
    )


def vae(mode: str) -> Balance:
    """Return what builds the VAE that decodes images in a mode of `VAEOversampler`."""

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.vae.oversampler import VAEOversampler

        return VAEOversampler(mode=mode, trunk=budget.first_network, **vae_settings(budget))

    return balance


def denoiser(process: str) -> Balance:
    """Return what builds the diffusion model of a process.

    Batches have half the size, because many small steps learn more.
    """

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.diffusion.oversampler import DiffusionOversampler

        settings = shared_settings(budget, process)
        settings["batch_size"] = budget.gan_batch_size // 2
        return DiffusionOversampler(process=process, n_steps=budget.updates, **settings)

    return balance


def pretraining(budget: Budget) -> "VAEPretraining":
    """Pretrain the classifier as the encoder of the VAE of methods `vae`: one fit serves both."""
    from equipoise.resampling.vae.pretraining import VAEPretraining

    return VAEPretraining(**vae_settings(budget))


def vae_settings(budget: Budget) -> Params:
    """Return the settings that `VAEOversampler` and `VAEPretraining` share."""
    return {
        "n_steps": budget.updates,
        "batch_size": budget.gan_batch_size,
        "latent_channels": 2 * budget.gan_channels,
        "base_channels": budget.gan_channels // 4,
        "learning_rate": 2e-3,
        "precision": precision_of_generator(budget, "vae"),
        "device": budget.device,
    }


def shared_settings(budget: Budget, generator: str) -> Params:
    """Return the settings that GANs and diffusion models share; `generator` is a method's name."""
    return {
        "batch_size": budget.gan_batch_size,
        "base_channels": budget.gan_channels,
        "precision": precision_of_generator(budget, generator),
        "device": budget.device,
    }


def precision_of_generator(budget: Budget, generator: str) -> str:
    """Return the precision in which the generator of a method is trained."""
    suits = generator in SUIT_BFLOAT16
    return chosen_precision(budget.gan_precision, budget.device, suits_bfloat16=suits)


def curated(method: Method) -> Method:
    """Return a method whose synthetic images are filtered; generator and classifier stay the same.

    The judge is the budget's classifier on balanced batches. The arms of a cell share the
    generator's fit, and all curated ones share the judge.
    """
    uncurated = method.balance
    if uncurated is None:
        raise ValueError(f"{method.name} adds no images that could be filtered")

    def balance(budget: Budget) -> Resampler:
        from equipoise.curation.oversampler import CuratedOversampler

        judge = Method(name="judge", summary="").build(budget)[-1]
        judge.set_params(batch_sampler="balanced")
        return CuratedOversampler(uncurated(budget), judge=judge)

    summary = f"As {method.name}, but images are filtered: by label, realism, near copies, repeats."
    return replace(method, name=f"{method.name}_curated", summary=summary, balance=balance)


AT_ANY_SIDE = (
    Method(
        name="vae",
        summary="Small classes are filled up by images that a VAE decodes near real ones (S0).",
        balance=vae("posterior"),
    ),
    Method(
        name="vae_smote",
        summary="Small classes are filled up by blends in the latent space of the VAE, decoded.",
        balance=vae("smote"),
    ),
    Method(
        name="vae_pretraining",
        summary="The classifier starts from the encoder of the VAE; no image is added (paper S0).",
        classifier=lambda budget: {"pretraining": pretraining(budget)},
    ),
    Method(
        name="vae_transfer",
        summary="All of paper S0: images of the VAE, its encoder, and the price of a missed image.",
        balance=vae("posterior"),
        classifier=lambda budget: {"pretraining": pretraining(budget), "loss": "rwwce_real"},
    ),
    Method(
        name="dcgan",
        summary="Small classes are filled up by a DCGAN for each class (papers S1, S4).",
        balance=gan_preset("dcgan"),
    ),
    Method(
        name="cdcgan",
        summary="Small classes are filled up by one DCGAN, conditioned on the class (paper S2).",
        balance=gan_preset("cdcgan"),
    ),
    Method(
        name="cdcgan_mix",
        summary="As cdcgan; every batch contains the same number of synthetic images.",
        balance=gan_preset("cdcgan"),
        classifier=lambda _budget: {"batch_sampler": "synthetic_mix"},
    ),
    Method(
        name="cdcgan_half",
        summary="As cdcgan; a synthetic image counts half in the loss.",
        balance=gan_preset("cdcgan"),
        classifier=lambda _budget: {"synthetic_weight": 0.5},
    ),
    Method(
        name="cdcgan_crt",
        summary="As cdcgan; the last layer is then trained again on balanced real images.",
        balance=gan_preset("cdcgan"),
        classifier=lambda _budget: {"second_stage": "crt"},
    ),
    Method(
        name="lsgan",
        summary="One DCGAN of all classes with the least-squares objective (paper S1).",
        balance=gan_preset("lsgan"),
    ),
    Method(
        name="wgan_clip",
        summary="One GAN of all classes; its critic measures a distance with clipped weights.",
        balance=gan_preset("wgan_clip"),
    ),
    Method(
        name="wgan_gp",
        summary="As wgan_clip, with a gradient penalty instead of clipping (paper S1's code).",
        balance=gan_preset("wgan_gp"),
    ),
    Method(
        name="dragan",
        summary="One DCGAN of all classes; a penalty on the critic's gradient around real images.",
        balance=gan_preset("dragan"),
    ),
    Method(
        name="r1",
        summary="One DCGAN of all classes; a penalty on the critic's gradient at real images.",
        balance=gan_preset("r1"),
    ),
    Method(
        name="dcgan_sn",
        summary="One DCGAN of all classes; spectral norm in the critic (paper S1's SNGAN).",
        balance=gan_preset("dcgan_sn"),
    ),
    Method(
        name="sngan",
        summary="Residual networks, spectral norm, hinge and projection: SNGAN as published.",
        balance=gan_preset("sngan", narrower=4),
    ),
    Method(
        name="bagan",
        summary="The original BAGAN: autoencoder, class Gaussians, a critic that names the class.",
        balance=bagan,
    ),
    Method(
        name="bagan_gp",
        summary="Improved BAGAN: supervised autoencoder, wrong labels, gradient penalty (S1).",
        balance=gan_preset("bagan_gp", narrower=2),
    ),
    Method(
        name="ada",
        summary="One DCGAN of all classes; the more confident its critic, the more it augments.",
        balance=gan_preset("ada"),
    ),
    Method(
        name="strong_gan",
        summary="Projection, spectral norm, hinge and DiffAugment in one GAN of all classes.",
        balance=gan_preset("strong_gan"),
    ),
    Method(
        name="edm",
        summary="Small classes are filled up by a diffusion model of all classes (EDM).",
        balance=denoiser("edm"),
    ),
    Method(
        name="ddpm",
        summary="As edm, by the original diffusion (DDPM, sampled by DDIM).",
        balance=denoiser("ddpm"),
    ),
    Method(
        name="flow",
        summary="As edm, by a rectified flow.",
        balance=denoiser("rectified_flow"),
    ),
)
METHODS: tuple[Method, ...] = tuple(map(at_generator_side, AT_ANY_SIDE))
CURATED = tuple(curated(method) for method in METHODS if method.name in CURATED_BASES)
