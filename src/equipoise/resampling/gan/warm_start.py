"""A GAN that starts from an autoencoder with labels: the first stage of BAGAN-GP (methods 4.9, A.3)."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from equipoise.arrays import Images, Labels
from equipoise.networks.bagan_gp import encoder
from equipoise.networks.design import Critic, Generator
from equipoise.resampling.autoencoder import Autoencoder, AutoencoderPlan, train_autoencoder
from equipoise.resampling.base import LabeledImages
from equipoise.training.chance import isolated_chance
from equipoise.training.loop import History

if TYPE_CHECKING:
    from equipoise.resampling.gan.fit import GANPlan

TO_CRITIC = "autoencoder_and_critic"
NORMALIZED = "normalized_autoencoder"
WARM_STARTS = ("none", "autoencoder", TO_CRITIC, NORMALIZED)


def start_from_autoencoder(
    pair: tuple[Generator, Critic],
    plan: "GANPlan",
    images: Images,
    labels: Labels,
    *,
    device: torch.device,
    workspace: Path | None,
    held: LabeledImages | None,
) -> History:
    """Teach a generator to rebuild images from their encoding and label, before the game starts.

    The generator's own modules are trained, so it starts from the decoder and its embedding bit for bit. The
    encoder is dropped; with warm_start="autoencoder_and_critic" the critic starts from its convolutions, and with
    "normalized_autoencoder" each number of its encodings had mean 0 and variance 1 over a batch.

    Args:
        pair: On the device, with the first weights that `plan` gives.
        plan: Of the whole fit.
        images: (n, c, s, s) in storage type.
        labels: (n,) 0..k-1.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.
        held: Real held-out images and labels; only watched.

    Returns:
        The history of this stage.

    Source: Huang & Jafari 2021 (arXiv 2011.00189), mean absolute error; methods 4.9 and A.3. Its encodings are not
    N(0, I), from which the game draws latents, so that its first images differ little: the normalized ones (ours,
    methods 4.9) have at least that mean and variance.
    """
    generator, critic = pair
    with isolated_chance(plan.seed, plan.name, "encoder"):
        encode = encoder(plan.design)
    if plan.warm_start == NORMALIZED:
        encode.append(nn.BatchNorm1d(plan.design.latent_size, affine=False))
    encode.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from the stubs
    model = Autoencoder(encode, generator, "absolute")
    history = train_autoencoder(
        _first_stage(plan), model, images, labels, held, device=device, workspace=workspace
    )
    if plan.warm_start == TO_CRITIC:
        critic.get_submodule("into_image.trunk").load_state_dict(encode[0].state_dict())
    return history


def _first_stage(plan: "GANPlan") -> AutoencoderPlan:
    return AutoencoderPlan(
        name=f"{plan.name}: autoencoder",
        layout=f"{plan.layout}, normalized" if plan.warm_start == NORMALIZED else plan.layout,
        design=plan.design,
        error="absolute",
        batch_size=plan.batch_size,
        n_steps=plan.warm_start_steps,
        learning_rate=plan.learning_rate,
        betas=plan.betas,
        data_range=plan.data_range,
        precision=plan.precision,
        span=plan.span,
        seed=plan.seed,
    )
