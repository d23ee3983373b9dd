"""Train the original BAGAN: an autoencoder, the Gaussians of its latents, then the game."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Adam, Optimizer

from equipoise import __version__
from equipoise.arrays import ValueRange, content_key
from equipoise.networks.bagan import ClassCritic, bagan_networks
from equipoise.networks.design import Design, Generator
from equipoise.resampling.autoencoder import Autoencoder, AutoencoderPlan, train_autoencoder
from equipoise.resampling.fit_cache import Fitted, Results, Slot
from equipoise.resampling.generator_fit import (
    CHUNK,
    FitImages,
    batch_rows,
    class_diversities,
    stored_weights,
    watch_scores,
)
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.balancing import BalancingStep
from equipoise.training.chance import isolated_chance
from equipoise.training.class_gaussians import class_gaussians
from equipoise.training.collapse import StopWhenCriticWins
from equipoise.training.devices import autocast
from equipoise.training.diffaugment import diffaugment
from equipoise.training.loop import History, Hook, train
from equipoise.training.ranges import SYMMETRIC

NAME = "all classes"


@dataclass(frozen=True, kw_only=True)
class BAGANPlan:
    """All that a fit depends on besides images and labels; the content key is made of its `repr`.

    Attributes:
        value_range: The stored values of black and white.
    """

    design: Design
    warm_start_steps: int
    shrinkage: float
    n_steps: int
    batch_size: int
    learning_rate: float
    betas: tuple[float, float]
    batch_sampler: str
    diffaugment: str
    ema_decay: float
    precision: str
    value_range: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        return (
            f"{NAME}: try more warm_start_steps (now {self.warm_start_steps}), a lower "
            f"learning_rate (now {self.learning_rate:g}), or another n_steps (now {self.n_steps}; "
            "too few leave the generator untrained, too many let it memorize)."
        )


@dataclass(frozen=True)
class BAGANNetworks:
    """The networks of a fit, on its device.

    Attributes:
        encoder: Images -> latents; its first module is the trunk from which the critic starts.
    """

    generator: Generator
    critic: ClassCritic
    encoder: nn.Sequential


def fit_bagan(plan: BAGANPlan, data: FitImages, *, workspace: Path | None) -> Fitted:
    """Load the finished fit of the same content, or train (resuming from a checkpoint).

    Args:
        plan: The settings.
        data: What to learn from, at least two images of each class.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        Tensors of the averaged generator with its Gaussians; rows of both histories, diversity of
        each class.

    Raises:
        CollapseError: The critic has won.
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "bagan", content_key(plan, data.images, data.labels, __version__))
    return slot.load() or _train(plan, data, slot)


def _train(plan: BAGANPlan, data: FitImages, slot: Slot) -> Fitted:
    networks = build_networks(plan, data)
    autoencoder_history = start_from_autoencoder(networks, plan, data, workspace=slot.workspace)
    step = _build_step(plan, networks, data.device)
    average = ExponentialAverage(networks.generator, decay=plan.ema_decay)
    checkpoint = slot.checkpoint(
        {
            "average": average,
            "generator": networks.generator,
            "critic": networks.critic,
            "generator_optimizer": step.generator_optimizer,
            "critic_optimizer": step.critic_optimizer,
        }
    )
    rows = batch_rows(
        data,
        plan.batch_sampler,
        batch_size=plan.batch_size,
        n_batches=plan.n_steps,
        seed=plan.seed,
    )
    history = train(
        step,
        data.batches(rows),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=_hooks(plan, data, step, average, networks.critic),
        checkpoint=checkpoint,
        history=History(advice=f"For {plan.advice}"),
        name=NAME,
    )
    fitted = (
        stored_weights(average.network),
        _results(plan, data, average.network, autoencoder_history, history),
    )
    slot.store(fitted, checkpoint)
    return fitted


def _build_step(plan: BAGANPlan, networks: BAGANNetworks, device: torch.device) -> BalancingStep:
    optimizers: list[Optimizer] = []
    for network in (networks.generator, networks.critic):
        fused = device.type in ("cpu", "cuda")  # one kernel where torch has one
        optimizers.append(
            Adam(network.parameters(), lr=plan.learning_rate, betas=plan.betas, fused=fused)
        )
    return BalancingStep(
        generator=networks.generator,
        critic=networks.critic,
        generator_optimizer=optimizers[0],
        critic_optimizer=optimizers[1],
        n_classes=plan.design.n_classes,
        latent_size=plan.design.latent_size,
        augment=diffaugment(plan.diffaugment),
        autocast=autocast(plan.precision, device),
    )


def _hooks(
    plan: BAGANPlan,
    data: FitImages,
    step: BalancingStep,
    average: ExponentialAverage,
    critic: ClassCritic,
) -> list[Hook]:
    """Average the weights, record scores, and stop where the critic wins."""
    watch = watch_scores(
        data,
        critic,
        average.network,
        step.draw,
        SYMMETRIC,
        n_steps=plan.n_steps,
        seed=plan.seed,
        name=NAME,
    )
    return [average, watch, StopWhenCriticWins(plan.advice)]


def _results(
    plan: BAGANPlan,
    data: FitImages,
    network: nn.Module,
    autoencoder_history: History,
    history: History,
) -> Results:
    diversities = class_diversities(
        network,
        data,
        [1.0] * plan.design.n_classes,
        latent_size=plan.design.latent_size,
        seed=plan.seed,
    )
    return {
        "rows": history.rows,
        "autoencoder_rows": autoencoder_history.rows,
        "diversity": diversities,
    }


def build_networks(plan: BAGANPlan, data: FitImages) -> BAGANNetworks:
    """Build generator, critic and encoder with their first weights."""
    with isolated_chance(plan.seed, NAME, "start"):
        generator, critic, encoder = bagan_networks(plan.design)
    for network in (generator, critic, encoder):
        network.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return BAGANNetworks(generator, critic, encoder)


def start_from_autoencoder(
    networks: BAGANNetworks, plan: BAGANPlan, data: FitImages, *, workspace: Path | None
) -> History:
    """Train the autoencoder, fit the Gaussian of each class, and start the critic from the encoder.

    Returns:
        The history of the autoencoder.
    """
    first_stage = AutoencoderPlan(
        name=f"{NAME}: autoencoder",
        layout="bagan",
        design=plan.design,
        error="squared",
        batch_size=plan.batch_size,
        n_steps=plan.warm_start_steps,
        learning_rate=plan.learning_rate,
        betas=plan.betas,
        data_range="symmetric",
        precision=plan.precision,
        value_range=plan.value_range,
        seed=plan.seed,
    )
    model = Autoencoder(networks.encoder, networks.generator, first_stage.error)
    history = train_autoencoder(first_stage, model, data, workspace=workspace)
    latents = encode(networks.encoder, data)
    means, factors = class_gaussians(latents, data.labels, shrinkage=plan.shrinkage)
    networks.generator.into_latent.load_state_dict({"means": means, "factors": factors})
    networks.critic.trunk.load_state_dict(networks.encoder[0].state_dict())
    return history


@torch.no_grad()
def encode(encoder: nn.Module, data: FitImages) -> NDArray[np.float64]:
    """Encode all training images, (n, latent_size), without dropout."""
    encoder.eval()
    parts = []
    for start in range(0, len(data.images), CHUNK):
        images = SYMMETRIC.into(data.to_unit(data.images[start : start + CHUNK]))
        parts.append(encoder(images))
    latents: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
    return latents
