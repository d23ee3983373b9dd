"""Train one pair of networks, and keep what images are sampled from: the averaged generator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer, RMSprop

from equipoise import __version__
from equipoise.arrays import Images, Labels, ValueRange, fingerprint
from equipoise.networks.design import Critic, Design, Generator
from equipoise.networks.layouts import build_pair
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.gan.warm_start import start_from_autoencoder
from equipoise.training.adaptive_augmentation import AdaptiveAugmentation
from equipoise.training.adversarial import AdversarialStep
from equipoise.training.averaging import ExponentialAverage, refresh_batch_norm
from equipoise.training.batches import (
    BATCH_SAMPLERS,
    BatchSampler,
    Pool,
    ResidentBatches,
    resident,
    to_unit,
)
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Stateful
from equipoise.training.collapse import StopWhenCriticWins, relative_diversity
from equipoise.training.devices import autocast
from equipoise.training.diffaugment import diffaugment
from equipoise.training.loop import Batch, History, Hook, train
from equipoise.training.objectives import OBJECTIVES
from equipoise.training.ranges import DATA_RANGES, SYMMETRIC, DataRange
from equipoise.training.regularizers import Regularizer
from equipoise.training.watching import WatchScores

CHUNK = 64  # images sampled at a time; always full, so that an image does not depend on how many are asked for
N_COMPARED = 64  # images of a class for its diversity
N_WATCHED = 256  # images of a group whose scores are watched
N_REFRESH = 50  # batches for the statistics of the averaged generator's batch norms
OPTIMIZERS = ("adam", "rmsprop")


@dataclass(frozen=True, kw_only=True)
class GANPlan:
    """All that a fit depends on besides its images and labels; the content key is made of its `repr`.

    Attributes:
        name: Of the fit, for progress and chance.
        label_probabilities: How often a fake has each label.
        n_steps: Updates of the generator.
        span: The values that stand for black and white.
        warm_start: A name in `warm_start.WARM_STARTS`.
        warm_start_steps: Updates of the autoencoder that the game starts from.
    """

    name: str
    layout: str
    design: Design
    objective: str
    label_probabilities: tuple[float, ...]
    batch_sampler: str
    batch_size: int
    n_steps: int
    learning_rate: float
    critic_learning_rate: float
    optimizer: str
    betas: tuple[float, float]
    critic_steps: int
    reuse_batch: bool
    critic_loss_scale: float
    clip: float | None
    regularizers: tuple[Regularizer, ...]
    data_range: str
    diffaugment: str
    ada: str
    ema_decay: float
    precision: str
    span: ValueRange
    seed: int
    warm_start: str
    warm_start_steps: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        wishes = [
            f"a lower learning_rate (now {self.learning_rate:g})",
            f"other n_steps (now {self.n_steps}: few leave the generator untrained, many let it memorize)",
        ]
        if not self.diffaugment and not self.ada:
            wishes.insert(0, "diffaugment='translation,cutout'")
        if self.precision != "32-true":
            wishes.append("precision='32-true'")
        return f"{self.name}: try {', or '.join(wishes)}."


@dataclass(frozen=True)
class FittedGenerator:
    """A trained generator of some classes.

    Attributes:
        codes: The classes it makes, in the order of its own labels 0, 1, ...
        network: In eval mode.
        history: What its fit recorded.
        before: What its warm start recorded; empty without one.
        diversity: For each of `codes`, the share of `collapse.relative_diversity`.
    """

    codes: tuple[int, ...]
    network: Generator
    history: History
    before: History
    diversity: tuple[float, ...]


def fit_generator(
    plan: GANPlan,
    images: Images,
    labels: Labels,
    held: LabeledImages | None,
    *,
    device: torch.device,
    workspace: Path | None,
) -> Fitted:
    """Find the finished fit of the same content in the workspace, or train (going on from a checkpoint).

    Args:
        plan: The settings.
        images: (n, c, s, s) in storage type.
        labels: (n,) 0..k-1.
        held: Real held-out images and labels; only watched.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.

    Raises:
        CollapseError: The critic has won.
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "gan", fingerprint(plan, images, labels, __version__))
    return slot.load() or _Fit(plan, images, labels, held, device=device, workspace=workspace).run(
        slot
    )


def build_generator(layout: str, design: Design, device: torch.device) -> Generator:
    """Build a generator whose weights are to be loaded."""
    with isolated_chance("weights follow"):
        return build_pair(layout, design)[0].to(device).eval()


class _Fit:
    """The parts of one fit."""

    def __init__(
        self,
        plan: GANPlan,
        images: Images,
        labels: Labels,
        held: LabeledImages | None,
        *,
        device: torch.device,
        workspace: Path | None,
    ) -> None:
        self.plan, self.images, self.labels, self.held, self.device = (
            plan,
            images,
            labels,
            held,
            device,
        )
        self.data_range = DATA_RANGES[plan.data_range]
        self.before = History()
        self.ada = AdaptiveAugmentation(plan.ada, device) if plan.ada else None
        generator, critic = self._pair(workspace)
        self.step = AdversarialStep(
            generator=generator,
            critic=critic,
            generator_optimizer=make_optimizer(plan, generator, plan.learning_rate),
            critic_optimizer=make_optimizer(
                plan, critic, plan.critic_learning_rate, lazy=_lazy(plan)
            ),
            objective=OBJECTIVES[plan.objective],
            latent_size=plan.design.latent_size,
            label_probabilities=torch.tensor(plan.label_probabilities, device=device),
            data_range=self.data_range,
            augment=self.ada or diffaugment(plan.diffaugment),
            observe=self.ada.observe if self.ada else None,
            regularizers=plan.regularizers,
            critic_steps=plan.critic_steps,
            reuse_batch=plan.reuse_batch,
            critic_loss_scale=plan.critic_loss_scale,
            clip=plan.clip,
            autocast=autocast(plan.precision, device),
        )
        self.average = ExponentialAverage(generator, decay=plan.ema_decay)

    def run(self, slot: Slot) -> Fitted:
        plan, step = self.plan, self.step
        checkpoint = slot.checkpoint(self._parts())
        hooks: list[Hook] = [self.average, self._watch()]
        if step.objective.critic_can_win:
            hooks.append(StopWhenCriticWins(plan.advice))
        history = train(
            step,
            ResidentBatches(
                self.images, self.labels, self._sampler(), span=plan.span, device=self.device
            ),
            n_steps=plan.n_steps,
            seed=plan.seed,
            hooks=hooks,
            checkpoint=checkpoint,
            history=History(advice=f"For {plan.advice}"),
            name=plan.name,
        )
        with isolated_chance(plan.seed, plan.name, "refresh"):
            batches = (step.draw(plan.batch_size) for _ in range(N_REFRESH))
            refresh_batch_norm(self.average.network, batches)
        facts = {"rows": history.rows, "before": self.before.rows, "diversity": self._diversity()}
        fitted = (
            {name: tensor.cpu() for name, tensor in self.average.network.state_dict().items()},
            facts,
        )
        slot.store(fitted, checkpoint)
        return fitted

    def _parts(self) -> dict[str, Stateful]:
        """Name all that has a state."""
        names = ("generator", "critic", "generator_optimizer", "critic_optimizer")
        parts = {name: getattr(self.step, name) for name in names}
        ada = {} if self.ada is None else {"ada": self.ada}
        return {"step": self.step, "average": self.average, **parts, **ada}

    def _pair(self, workspace: Path | None) -> tuple[Generator, Critic]:
        """Build both networks, with the weights from which the game starts."""
        plan = self.plan
        with isolated_chance(plan.seed, plan.name, "start"):
            pair = build_pair(plan.layout, plan.design)
        for network in pair:
            network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # see torch
        if plan.warm_start != "none":
            self.before = start_from_autoencoder(
                pair,
                plan,
                self.images,
                self.labels,
                device=self.device,
                workspace=workspace,
                held=self.held,
            )
        return pair

    def _sampler(self) -> BatchSampler:
        """Choose the rows of a step: one batch, or one for each update of the critic."""
        plan = self.plan
        n_batches = 1 if plan.reuse_batch else plan.critic_steps
        pool = Pool(
            labels=self.labels,
            batch_size=plan.batch_size,
            n_steps=plan.n_steps * n_batches,
            seed=plan.seed,
        )
        batch = BATCH_SAMPLERS[plan.batch_sampler](pool)
        return lambda step: np.concatenate([batch(step * n_batches + i) for i in range(n_batches)])

    def _watch(self) -> WatchScores:
        groups = {"training": self._some(self.images, self.labels), "generated": self._generated()}
        if self.held is not None and len(self.held[0]):
            groups["validation"] = self._some(*self.held)
        every = max(
            10, self.plan.n_steps // 200 * 10
        )  # about 20 times, where the history has a row
        return WatchScores(self.step.critic, groups, every=every)

    def _some(self, images: Images, labels: Labels) -> Callable[[], Batch]:
        rows = make_rng(self.plan.seed, "watched").permutation(len(images))[:N_WATCHED]
        shown = self.data_range.into(self._unit(images[rows]))
        batch = shown, torch.as_tensor(labels[rows], device=self.device)
        return lambda: batch

    def _generated(self) -> Callable[[], Batch]:
        with isolated_chance(self.plan.seed, self.plan.name, "watched"):
            latent, labels = self.step.draw(CHUNK)
        return lambda: (self.average.network(latent, labels), labels)

    def _diversity(self) -> list[float]:
        """Compare generated with training images, class by class; 1 for a label that fakes never have."""
        return [
            self._diversity_of(label) if probability > 0 else 1.0
            for label, probability in enumerate(self.plan.label_probabilities)
        ]

    def _diversity_of(self, label: int) -> float:
        rng = make_rng(self.plan.seed, "compared", label)
        rows = rng.permutation(np.flatnonzero(self.labels == label))[:N_COMPARED]
        latents = rng.standard_normal((N_COMPARED, self.plan.design.latent_size))
        generated = torch.cat(list(sample(self.average.network, latents, label, self.data_range)))
        return relative_diversity(generated, self._unit(self.images[rows]).cpu())

    def _unit(self, images: Images) -> Tensor:
        return to_unit(resident(images, self.device), self.plan.span)


def make_optimizer(
    plan: GANPlan, network: nn.Module, learning_rate: float, *, lazy: int = 1
) -> Optimizer:
    """Make the optimizer of one network.

    Args:
        plan: Names it.
        network: What it updates; on its device already.
        learning_rate: Its rate.
        lazy: Steps between two updates that come on top, of a lazy regularizer: rate and memory shrink so that
            `lazy` + 1 updates go as far as `lazy` would (StyleGAN2, methods 4.2).
    """
    share = lazy / (lazy + 1) if lazy > 1 else 1.0
    parameters = list(network.parameters())
    if plan.optimizer == "rmsprop":
        return RMSprop(parameters, lr=learning_rate * share, alpha=0.99**share)
    fused = parameters[0].device.type in ("cpu", "cuda")  # one kernel where torch has one
    betas = plan.betas[0] ** share, plan.betas[1] ** share
    return Adam(parameters, lr=learning_rate * share, betas=betas, fused=fused)


def _lazy(plan: GANPlan) -> int:
    return max((regularizer.every for regularizer in plan.regularizers), default=1)


@torch.no_grad()
def sample(
    network: nn.Module, latents: NDArray[np.float64], label: int, data_range: DataRange = SYMMETRIC
) -> Iterator[Tensor]:
    """Make images of one label, (at most 64, c, s, s) in [0, 1] at a time, on the processor."""
    device = next(network.parameters()).device
    for start in range(0, len(latents), CHUNK):
        part = latents[start : start + CHUNK]
        filled = np.resize(part, (CHUNK, part.shape[1])).astype(np.float32)
        labels = torch.full((CHUNK,), label, device=device)
        images = network(torch.as_tensor(filled, device=device), labels)
        yield data_range.back(images[: len(part)]).float().cpu()
