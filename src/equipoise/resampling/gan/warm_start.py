"""Start a GAN from an autoencoder with labels: the first stage of BAGAN-GP."""

from pathlib import Path

import torch
from torch import nn

from equipoise.networks.bagan_gp import encoder
from equipoise.networks.design import Critic, Generator
from equipoise.resampling.autoencoder import Autoencoder, AutoencoderPlan, train_autoencoder
from equipoise.resampling.gan.plan import GANPlan
from equipoise.resampling.generator_fit import FitImages
from equipoise.training.chance import isolated_chance
from equipoise.training.loop import History

TO_CRITIC = "autoencoder_and_critic"
NORMALIZED = "normalized_autoencoder"
WARM_STARTS = ("none", "autoencoder", TO_CRITIC, NORMALIZED)


def start_from_autoencoder(
    pair: tuple[Generator, Critic], plan: GANPlan, data: FitImages, *, workspace: Path | None
) -> History:
    """Teach a generator to rebuild images from their encoding and label, before the game starts.

    The generator's own modules are trained, so it starts from the decoder and its embedding bit for
    bit. The encoder is dropped; with warm_start="autoencoder_and_critic" the critic starts from its
    convolutions, and with "normalized_autoencoder" each number of its encodings has mean 0 and
    variance 1 over a batch.

    Args:
        pair: On the device, with the first weights that `plan` gives.
        plan: Of the whole fit.
        data: What to learn from.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        The history of this stage.

    Source: Huang & Jafari (2021), arXiv 2011.00189: mean absolute error. Its encodings are not N(0,
    I), from which the game draws latents, so its first images differ little from one another; the
    normalized encodings, which are ours, have at least that mean and variance.
    """
    generator, critic = pair
    schedule = plan.schedule
    normalized = schedule.warm_start == NORMALIZED
    with isolated_chance(plan.seed, plan.name, "encoder"):
        encode = encoder(plan.design)
    if normalized:
        encode.append(nn.BatchNorm1d(plan.design.latent_size, affine=False))
    encode.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    first_stage = AutoencoderPlan(
        name=f"{plan.name}: autoencoder",
        layout=f"{plan.layout}, normalized" if normalized else plan.layout,
        design=plan.design,
        error="absolute",
        batch_size=schedule.batch_size,
        n_steps=schedule.warm_start_steps,
        learning_rate=schedule.learning_rate,
        betas=schedule.betas,
        data_range=plan.game.data_range,
        precision=schedule.precision,
        value_range=data.value_range,
        seed=plan.seed,
    )
    model = Autoencoder(encode, generator, first_stage.error)
    history = train_autoencoder(first_stage, model, data, workspace=workspace)
    if schedule.warm_start == TO_CRITIC:
        critic.get_submodule("into_image.trunk").load_state_dict(encode[0].state_dict())
    return history
