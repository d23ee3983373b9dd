"""Train the original BAGAN: an autoencoder, the Gaussians of its latents, then the game (methods 4.8)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from equipoise import __version__
from equipoise.arrays import Images, Labels, ValueRange, fingerprint
from equipoise.networks.bagan import bagan_networks
from equipoise.networks.design import Design, Generator
from equipoise.randomness import make_rng
from equipoise.resampling.autoencoder import Autoencoder, AutoencoderPlan, train_autoencoder
from equipoise.resampling.base import LabeledImages
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.gan.fit import CHUNK, N_COMPARED, N_WATCHED, sample
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.balancing import BalancingStep
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches, resident, to_unit
from equipoise.training.chance import isolated_chance
from equipoise.training.class_gaussians import class_gaussians
from equipoise.training.collapse import StopWhenCriticWins, relative_diversity
from equipoise.training.devices import autocast
from equipoise.training.diffaugment import diffaugment
from equipoise.training.loop import Batch, History, train
from equipoise.training.ranges import SYMMETRIC
from equipoise.training.watching import WatchScores

NAME = "all classes"


@dataclass(frozen=True, kw_only=True)
class BAGANPlan:
    """All that a fit depends on besides its images and labels; the content key is made of its `repr`.

    Attributes:
        span: The values that stand for black and white.
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
    span: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        return (
            f"{NAME}: try more warm_start_steps (now {self.warm_start_steps}), a lower learning_rate (now "
            f"{self.learning_rate:g}), or other n_steps (now {self.n_steps}: few leave the generator untrained, "
            "many let it memorize)."
        )


def fit_bagan(
    plan: BAGANPlan,
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
        labels: (n,) 0..k-1, each at least twice.
        held: Real held-out images and labels; only watched.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        Tensors of the averaged generator with its Gaussians; rows of both histories, diversity of each class.

    Raises:
        CollapseError: The critic has won.
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "bagan", fingerprint(plan, images, labels, __version__))
    return slot.load() or _Fit(plan, images, labels, held, device).run(slot)


class _Fit:
    """The parts of one fit."""

    def __init__(
        self,
        plan: BAGANPlan,
        images: Images,
        labels: Labels,
        held: LabeledImages | None,
        device: torch.device,
    ) -> None:
        self.plan, self.images, self.labels, self.held, self.device = (
            plan,
            images,
            labels,
            held,
            device,
        )
        with isolated_chance(plan.seed, NAME, "start"):
            networks = bagan_networks(plan.design)
        for network in networks:
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # see torch
        self.generator, self.critic, self.encoder = networks

    def run(self, slot: Slot) -> Fitted:
        first = self._start(slot.workspace)
        step, average = self._step(), ExponentialAverage(self.generator, decay=self.plan.ema_decay)
        parts = ("generator", "critic", "generator_optimizer", "critic_optimizer")
        checkpoint = slot.checkpoint(
            {"average": average, **{name: getattr(step, name) for name in parts}}
        )
        pool = Pool(
            labels=self.labels,
            batch_size=self.plan.batch_size,
            n_steps=self.plan.n_steps,
            seed=self.plan.seed,
        )
        sampler = BATCH_SAMPLERS[self.plan.batch_sampler](pool)
        history = train(
            step,
            ResidentBatches(
                self.images, self.labels, sampler, span=self.plan.span, device=self.device
            ),
            n_steps=self.plan.n_steps,
            seed=self.plan.seed,
            hooks=[
                average,
                self._watch(step, average.network),
                StopWhenCriticWins(self.plan.advice),
            ],
            checkpoint=checkpoint,
            history=History(advice=f"For {self.plan.advice}"),
            name=NAME,
        )
        facts = {
            "rows": history.rows,
            "autoencoder_rows": first.rows,
            "diversity": [
                self._diversity(average.network, label)
                for label in range(self.plan.design.n_classes)
            ],
        }
        fitted = (
            {name: tensor.cpu() for name, tensor in average.network.state_dict().items()},
            facts,
        )
        slot.store(fitted, checkpoint)
        return fitted

    def _start(self, workspace: Path | None) -> History:
        """Train the autoencoder, give each class its Gaussian, and the critic the encoder's trunk."""
        plan = self.plan
        first = AutoencoderPlan(
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
            span=plan.span,
            seed=plan.seed,
        )
        model = Autoencoder(self.encoder, self.generator, first.error)
        history = train_autoencoder(
            first,
            model,
            self.images,
            self.labels,
            self.held,
            device=self.device,
            workspace=workspace,
        )
        means, factors = class_gaussians(self._latents(), self.labels, shrinkage=plan.shrinkage)
        self.generator.into_latent.load_state_dict({"means": means, "factors": factors})
        self.critic.trunk.load_state_dict(self.encoder[0].state_dict())
        return history

    @torch.no_grad()
    def _latents(self) -> NDArray[np.float64]:
        """Encode all training images, (n, latent_size), without dropout."""
        self.encoder.eval()
        parts = [
            self.encoder(SYMMETRIC.into(self._unit(self.images[start : start + CHUNK])))
            for start in range(0, len(self.images), CHUNK)
        ]
        latents: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
        return latents

    def _step(self) -> BalancingStep:
        return BalancingStep(
            generator=self.generator,
            critic=self.critic,
            generator_optimizer=self._adam(self.generator),
            critic_optimizer=self._adam(self.critic),
            n_classes=self.plan.design.n_classes,
            latent_size=self.plan.design.latent_size,
            augment=diffaugment(self.plan.diffaugment),
            autocast=autocast(self.plan.precision, self.device),
        )

    def _adam(self, network: nn.Module) -> Optimizer:
        fused = self.device.type in ("cpu", "cuda")  # one kernel where torch has one
        return Adam(
            network.parameters(), lr=self.plan.learning_rate, betas=self.plan.betas, fused=fused
        )

    def _watch(self, step: BalancingStep, average: nn.Module) -> WatchScores:
        with isolated_chance(self.plan.seed, NAME, "watched"):
            drawn = step.draw(CHUNK)
        groups = {
            "training": self._some(self.images, self.labels),
            "generated": lambda: (average(*drawn), drawn[1]),
        }
        if self.held is not None and len(self.held[0]):
            groups["validation"] = self._some(*self.held)
        return WatchScores(self.critic, groups, every=max(10, self.plan.n_steps // 200 * 10))

    def _some(self, images: Images, labels: Labels) -> Callable[[], Batch]:
        rows = make_rng(self.plan.seed, "watched").permutation(len(images))[:N_WATCHED]
        batch = (
            SYMMETRIC.into(self._unit(images[rows])),
            torch.as_tensor(labels[rows], device=self.device),
        )
        return lambda: batch

    def _diversity(self, network: nn.Module, label: int) -> float:
        """Compare generated with training images of one class."""
        rng = make_rng(self.plan.seed, "compared", label)
        rows = rng.permutation(np.flatnonzero(self.labels == label))[:N_COMPARED]
        latents = rng.standard_normal((N_COMPARED, self.plan.design.latent_size))
        generated = torch.cat(list(sample(network, latents, label)))
        return relative_diversity(generated, self._unit(self.images[rows]).cpu())

    def _unit(self, images: Images) -> Tensor:
        return to_unit(resident(images, self.device), self.plan.span)


def restore_generator(
    design: Design, tensors: dict[str, Tensor], device: torch.device
) -> Generator:
    """Build a fitted generator, in eval mode."""
    with isolated_chance("weights follow"):
        network = bagan_networks(design)[0]
    network.load_state_dict(tensors)
    return network.to(device).eval()
