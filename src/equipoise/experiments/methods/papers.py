"""The papers' own generators, whatever the budget: epochs, rates and sizes as published.

A name that ends in `_literal` repeats what the paper or its code did; the name without it is the
clean form. The classifier is that of the budget in all of them, so that arms of a comparison stay
comparable; `equipoise.estimators.presets` has the papers' classifiers.
"""

from equipoise.experiments.methods.generative import at_generator_side
from equipoise.experiments.methods.method import Balance, ClassifierSettings, Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Params, Resampler

S0_STEPS = 19_200  # 300 passes over the paper's 2,021 cells in batches of 32

GANS = {  # preset of `equipoise.resampling.gan.presets` -> summary
    "s1_dcgan": "Paper S1's DCGAN, 200 epochs, one-hot labels.",
    "s1_dcgan_literal": "The same with labels as frequent as in the data.",
    "s1_lsgan": "Paper S1's LSGAN.",
    "s1_lsgan_literal": "The same with labels as frequent as in the data.",
    "s1_wgan_clip": "The WGAN of paper S1's text: clipped weights.",
    "s1_wgangp": "The WGAN of paper S1's code: gradient penalty.",
    "s1_wgangp_literal": "The same with that code's extrapolating penalty and the data's labels.",
    "s1_sngan": "SNGAN as it was published, with paper S1's length.",
    "s1_bagan_gp": "Paper S1's Improved BAGAN; wrong labels are always wrong.",
    "s1_bagan_gp_literal": "The same; wrong labels may be right, and the penalty extrapolates.",
    "s2_dcgan": "Paper S2's DCGAN of the rare class, 160 epochs.",
    "s2_dcgan_literal": "The same with images from 0 to 1 against tanh, at ten times the rate.",
    "s2_cdcgan": "Paper S2's conditional DCGAN, alpha 0.5, 48 epochs; two classes.",
    "s2_cdcgan_literal": "The same with images from 0 to 1 against tanh, at ten times the rate.",
    "s4_dcgan": "Paper S4's DCGAN for each class, 200 epochs.",
}


def s0_vae(head_stride: int) -> Balance:
    """Return what builds paper S0's VAE; `head_stride` 2 halves images of 320 px first."""

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.vae.oversampler import VAEOversampler

        return VAEOversampler(
            trunk=budget.first_network,
            head_stride=head_stride,
            n_steps=S0_STEPS,
            device=budget.device,
        )

    return balance


def s0_classifier(head_stride: int) -> ClassifierSettings:
    """Return the settings of paper S0's classifier: the VAE's encoder and the RWWCE loss."""

    def settings(budget: Budget) -> Params:
        from equipoise.resampling.vae.pretraining import VAEPretraining

        pretraining = VAEPretraining(
            head_stride=head_stride, n_steps=S0_STEPS, device=budget.device
        )
        return {"pretraining": pretraining, "loss": "rwwce_real"}

    return settings


def published_gan(name: str) -> Method:
    """Return the method that fills small classes up with the GAN of a paper's preset."""

    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.gan.presets import from_preset

        return from_preset(name, device=budget.device)

    return Method(name=name, summary=GANS[name], balance=balance)


METHODS: tuple[Method, ...] = (
    Method(
        name="s0_vae",
        summary="Paper S0: VAE of 300 epochs, encoder, RWWCE (images of 160 px, densenet121_s0).",
        balance=s0_vae(1),
        classifier=s0_classifier(1),
    ),
    Method(
        name="s0_vae_literal",
        summary="Paper S0 with every stated number (images of 320 px, densenet121_s0).",
        balance=s0_vae(2),
        classifier=s0_classifier(2),
    ),
    *(at_generator_side(published_gan(name)) for name in GANS),
)
