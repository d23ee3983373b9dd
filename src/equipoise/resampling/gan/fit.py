"""Train one pair of networks and keep what images are sampled from: the averaged generator."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Adam, Optimizer, RMSprop

from equipoise import __version__
from equipoise.arrays import content_key
from equipoise.networks.design import Critic, Generator
from equipoise.networks.layouts import build_pair
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.gan.plan import GANPlan
from equipoise.resampling.gan.settings import Schedule
from equipoise.resampling.gan.warm_start import start_from_autoencoder
from equipoise.resampling.generator_fit import (
    FitImages,
    batch_rows,
    class_diversities,
    stored_weights,
    watch_scores,
)
from equipoise.training.adaptive_augmentation import AdaptiveAugmentation
from equipoise.training.adversarial import AdversarialStep
from equipoise.training.averaging import ExponentialAverage, refresh_batch_norm
from equipoise.training.batches import BatchSampler
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Stateful
from equipoise.training.collapse import StopWhenCriticWins
from equipoise.training.devices import autocast
from equipoise.training.diffaugment import diffaugment
from equipoise.training.loop import History, Hook, train

N_REFRESH = 50  # batches for the statistics of the averaged generator's batch norms


@dataclass(frozen=True)
class FittedGenerator:
    """A trained generator of some classes.

    Attributes:
        codes: The classes that it generates, in the order of its own labels 0, 1, ...
        network: In evaluation mode.
        history: What its fit recorded.
        warm_start_history: What its warm start recorded; empty without one.
        diversity: For each of `codes`, the share of `collapse.relative_diversity`.
    """

    codes: tuple[int, ...]
    network: Generator
    history: History
    warm_start_history: History
    diversity: tuple[float, ...]


def fit_generator(plan: GANPlan, data: FitImages, *, workspace: Path | None) -> Fitted:
    """Load the finished fit of the same content, or train (resuming from a checkpoint).

    Args:
        plan: The settings.
        data: What to learn from.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        The averaged generator's tensors, and {"rows", "before", "diversity"}: the history of the
        fit, that of the warm start, and the diversity of each class.

    Raises:
        CollapseError: The critic has won.
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "gan", content_key(plan, data.images, data.labels, __version__))
    return slot.load() or _train(plan, data, slot)


def _train(plan: GANPlan, data: FitImages, slot: Slot) -> Fitted:
    generator, critic, warm_start_history = _build_pair(plan, data, slot.workspace)
    ada = AdaptiveAugmentation(plan.game.ada, data.device) if plan.game.ada else None
    step = _build_step(plan, generator, critic, ada, data.device)
    average = ExponentialAverage(generator, decay=plan.schedule.ema_decay)
    checkpoint = slot.checkpoint(_parts(step, average, ada))
    history = train(
        step,
        data.batches(_batch_sampler(plan, data)),
        n_steps=plan.schedule.n_steps,
        seed=plan.seed,
        hooks=_hooks(plan, data, step, average),
        checkpoint=checkpoint,
        history=History(advice=f"For {plan.advice}"),
        name=plan.name,
    )
    with isolated_chance(plan.seed, plan.name, "refresh"):
        inputs = (step.draw(plan.schedule.batch_size) for _ in range(N_REFRESH))
        refresh_batch_norm(average.network, inputs)
    diversities = class_diversities(
        average.network,
        data,
        plan.label_probabilities,
        step.data_range,
        latent_size=plan.design.latent_size,
        seed=plan.seed,
    )
    results = {
        "rows": history.rows,
        "before": warm_start_history.rows,
        "diversity": diversities,
    }
    fitted = stored_weights(average.network), results
    slot.store(fitted, checkpoint)
    return fitted


def _hooks(
    plan: GANPlan, data: FitImages, step: AdversarialStep, average: ExponentialAverage
) -> list[Hook]:
    """Average the weights, record scores, and stop where the critic wins and can."""
    watch = watch_scores(
        data,
        step.critic,
        average.network,
        step.draw,
        step.data_range,
        n_steps=plan.schedule.n_steps,
        seed=plan.seed,
        name=plan.name,
    )
    if step.objective.critic_can_win:
        return [average, watch, StopWhenCriticWins(plan.advice)]
    return [average, watch]


def _parts(
    step: AdversarialStep, average: ExponentialAverage, ada: AdaptiveAugmentation | None
) -> dict[str, Stateful]:
    """Name everything that has a state, for the checkpoint."""
    parts: dict[str, Stateful] = {
        "step": step,
        "average": average,
        "generator": step.generator,
        "critic": step.critic,
        "generator_optimizer": step.generator_optimizer,
        "critic_optimizer": step.critic_optimizer,
    }
    return parts if ada is None else {**parts, "ada": ada}


def _build_pair(
    plan: GANPlan, data: FitImages, workspace: Path | None
) -> tuple[Generator, Critic, History]:
    """Build both networks with the weights from which the game starts."""
    with isolated_chance(plan.seed, plan.name, "start"):
        pair = build_pair(plan.layout, plan.design)
    for network in pair:
        network.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if plan.schedule.warm_start == "none":
        return *pair, History()
    return *pair, start_from_autoencoder(pair, plan, data, workspace=workspace)


def _build_step(
    plan: GANPlan,
    generator: Generator,
    critic: Critic,
    ada: AdaptiveAugmentation | None,
    device: torch.device,
) -> AdversarialStep:
    game, schedule = plan.game, plan.schedule
    rest_of_generator = max((r.every for r in game.generator_regularizers), default=1)
    rest_of_critic = max((r.every for r in game.critic_regularizers), default=1)
    return AdversarialStep(
        generator=generator,
        critic=critic,
        generator_optimizer=make_optimizer(
            schedule, generator, schedule.learning_rate, lazy=rest_of_generator
        ),
        critic_optimizer=make_optimizer(
            schedule, critic, schedule.critic_rate, lazy=rest_of_critic
        ),
        game=game,
        latent_size=plan.design.latent_size,
        label_probabilities=torch.tensor(plan.label_probabilities, device=device),
        augment=ada or diffaugment(game.diffaugment),
        observe=ada.observe if ada else None,
        autocast=autocast(schedule.precision, device),
    )


def make_optimizer(
    schedule: Schedule, network: nn.Module, learning_rate: float, *, lazy: int = 1
) -> Optimizer:
    """Build the optimizer of one network.

    Args:
        schedule: Names it.
        network: What it updates; on its device already.
        learning_rate: Its rate.
        lazy: Steps between two extra updates, those of a lazy regularizer. Rate and betas are those
            of `lazy` / (`lazy` + 1), so that `lazy` + 1 updates go as far as `lazy` would.

    Source: Karras et al. (2020), arXiv 1912.04958, Appendix B.
    """
    share = lazy / (lazy + 1) if lazy > 1 else 1.0
    parameters = list(network.parameters())
    if schedule.optimizer == "rmsprop":
        return RMSprop(parameters, lr=learning_rate * share, alpha=0.99**share)
    fused = parameters[0].device.type in ("cpu", "cuda")  # one kernel where torch has one
    betas = schedule.betas[0] ** share, schedule.betas[1] ** share
    return Adam(parameters, lr=learning_rate * share, betas=betas, fused=fused)


def _batch_sampler(plan: GANPlan, data: FitImages) -> BatchSampler:
    """Choose the rows of a step: one batch, or one for each update of the critic."""
    n_batches = 1 if plan.game.reuse_batch else plan.game.critic_steps
    batch = batch_rows(
        data,
        plan.schedule.batch_sampler,
        batch_size=plan.schedule.batch_size,
        n_batches=plan.schedule.n_steps * n_batches,
        seed=plan.seed,
    )
    return lambda step: np.concatenate([batch(step * n_batches + i) for i in range(n_batches)])
