"""Train one denoiser on all classes, and keep what images are sampled from: the best averaged weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from equipoise import __version__
from equipoise.arrays import Images, Labels, Rows, ValueRange, fingerprint
from equipoise.networks.denoiser import Denoiser, DenoiserDesign
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches, resident, to_unit
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Stateful
from equipoise.training.denoising import PROCESSES, DenoisingLoss, Process, Task, errors, guided
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import History, train
from equipoise.training.optimizers import make_optimizer
from equipoise.training.steps import LossStep

NAME = "all classes"
CHUNK = 32  # images sampled at a time; always full, so that an image does not depend on how many are asked for
LOOKS = 20  # how often the error on fixed tasks is measured in a fit
PATIENCE = 5  # looks without gain after which the fit ends
N_TASKS = 64  # fixed tasks of each group of images
WEIGHT_DECAY = 0.01  # of AdamW, as in torch

Tasks = Callable[[], Iterator[tuple[Task, Tensor]]]  # tasks and labels, the same at every call


@dataclass(frozen=True, kw_only=True)
class DiffusionPlan:
    """All that a fit depends on besides its images and labels; the content key is made of its `repr`.

    Attributes:
        stop_share: Share of the training images of each class on which the fit is judged.
        span: The values that stand for black and white.
    """

    process: str
    design: DenoiserDesign
    n_steps: int
    batch_size: int
    learning_rate: float
    batch_sampler: str
    label_drop: float
    ema_decay: float
    stop_share: float
    precision: str
    span: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        safer = "" if self.precision == "32-true" else " or precision='32-true'"
        return f"Try a lower learning_rate (now {self.learning_rate:g}), more n_steps (now {self.n_steps}){safer}."


def fit_denoiser(
    plan: DiffusionPlan,
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
        DivergedError: The loss became NaN or infinite.
    """
    slot = Slot(workspace, "diffusion", fingerprint(plan, images, labels, __version__))
    return slot.load() or _Fit(plan, images, labels, held, device).run(slot)


def build_denoiser(design: DenoiserDesign, device: torch.device) -> Denoiser:
    """Build a denoiser whose weights are to be loaded."""
    with isolated_chance("weights follow"):
        return Denoiser(design).to(device).eval()


def set_aside(labels: Labels, share: float, seed: int) -> Rows:
    """Choose the rows on which a fit is judged: of each class its share, rounded down."""
    chosen = [
        make_rng(seed, "set aside", int(label)).permutation(rows)[: int(share * len(rows))]
        for label in np.unique(labels)
        for rows in [np.flatnonzero(labels == label)]
    ]
    return np.sort(np.concatenate(chosen))


class _Fit:
    """The parts of one fit."""

    def __init__(
        self,
        plan: DiffusionPlan,
        images: Images,
        labels: Labels,
        held: LabeledImages | None,
        device: torch.device,
    ) -> None:
        self.plan, self.images, self.labels, self.device = plan, images, labels, device
        self.aside = set_aside(labels, plan.stop_share, plan.seed)
        self.process = PROCESSES[plan.process]
        with isolated_chance(plan.seed, NAME, "start"):
            self.network = Denoiser(plan.design).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from the stubs
        self.autocast = autocast(plan.precision, device)
        self.average = ExponentialAverage(self.network, decay=plan.ema_decay)
        self.held = held

    def run(self, slot: Slot) -> Fitted:
        plan, optimizer = self.plan, self._optimizer()
        images, labels = self._rest()
        schedule = LambdaLR(optimizer, _warm_up(plan.n_steps))
        watch = self._watch(images, labels)
        parts: dict[str, Stateful] = {
            "network": self.network,
            "optimizer": optimizer,
            "schedule": schedule,
        }
        checkpoint = slot.checkpoint({**parts, "average": self.average, "best": watch})
        pool = Pool(labels=labels, batch_size=plan.batch_size, n_steps=plan.n_steps, seed=plan.seed)
        sampler = BATCH_SAMPLERS[plan.batch_sampler](pool)
        history = train(
            LossStep(
                loss=self._loss(), optimizer=optimizer, schedule=schedule, autocast=self.autocast
            ),
            ResidentBatches(images, labels, sampler, span=plan.span, device=self.device),
            n_steps=plan.n_steps,
            seed=plan.seed,
            hooks=[self.average, watch],
            checkpoint=checkpoint,
            history=History(advice=plan.advice),
            name=NAME,
        )
        watch.restore()
        fitted = (
            {name: t.cpu() for name, t in self.average.network.state_dict().items()},
            {"rows": history.rows},
        )
        slot.store(fitted, checkpoint)
        return fitted

    def _rest(self) -> LabeledImages:
        """Give the images and labels that are learned from."""
        rows = np.setdiff1d(np.arange(len(self.labels)), self.aside)
        return self.images[rows], self.labels[rows]

    def _optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(
            "adamw",
            self.network.parameters(),
            learning_rate=self.plan.learning_rate,
            weight_decay=WEIGHT_DECAY,
        )

    def _loss(self) -> DenoisingLoss:
        return DenoisingLoss(
            process=self.process,
            network=self.network,
            n_classes=self.plan.design.n_classes,
            label_drop=self.plan.label_drop,
        )

    def _watch(self, images: Images, labels: Labels) -> KeepBest:
        """Record the averaged network's error on fixed tasks, keep the best weights and end the fit.

        Judged on images set aside from the training images, because the result of a resampler must not depend on
        validation images; those are watched beside. Without any set aside, the last weights stay. Draws no chance.
        """
        groups = {
            "training": (images, labels),
            "set_aside": (self.images[self.aside], self.labels[self.aside]),
        }
        if self.held is not None:
            groups["validation"] = self.held
        tasks = {name: self._tasks(*group) for name, group in groups.items() if len(group[1])}
        return KeepBest(
            self.average.network,
            lambda: {f"{name}_error": self._error(group) for name, group in tasks.items()},
            "set_aside_error" if "set_aside" in tasks else None,
            every=max(1, self.plan.n_steps // LOOKS),
            last=self.plan.n_steps,
            higher_is_better=False,
            patience=PATIENCE,
        )

    @torch.no_grad()
    def _error(self, tasks: Tasks) -> float:
        network = self.average.network
        with self.autocast():
            return float(
                torch.cat([errors(network, task, labels) for task, labels in tasks()]).mean()
            )

    def _tasks(self, images: Images, labels: Labels) -> Tasks:
        """Give the same tasks at every look: all classes alike, noise levels on an even grid."""
        pool = Pool(labels=labels, batch_size=N_TASKS, n_steps=1, seed=self.plan.seed)
        rows = BATCH_SAMPLERS["balanced"](pool)(0)
        batch, own = images[rows], torch.as_tensor(labels[rows], device=self.device)

        def tasks() -> Iterator[tuple[Task, Tensor]]:
            rng = make_rng(self.plan.seed, "tasks")
            places = torch.as_tensor(
                (rng.permutation(N_TASKS) + 0.5) / N_TASKS, dtype=torch.float32
            )
            for part in (slice(start, start + CHUNK) for start in range(0, N_TASKS, CHUNK)):
                clean = to_unit(resident(batch[part], self.device), self.plan.span) * 2 - 1
                noise = torch.as_tensor(
                    rng.standard_normal(clean.shape, dtype=np.float32), device=self.device
                )
                levels = self.process.levels(places[part].to(self.device))
                yield self.process.task(clean, noise, levels), own[part]

        return tasks


def _warm_up(n_steps: int) -> Callable[[int], float]:
    """Raise the learning rate over a twentieth of the steps, at most 1000 (methods 9.5: 1000 of 50,000)."""
    rising = min(1000, max(1, n_steps // 20))
    return lambda done: min(1.0, (done + 1) / rising)


@dataclass(frozen=True, kw_only=True)
class ImageSampler:
    """Draws images of a trained denoiser.

    Attributes:
        network: In eval mode.
        design: What it was built from.
        guidance: See `denoising.guided`.
        n_steps: Of the sampler.
        precision: A name in `PRECISIONS`.
    """

    network: nn.Module
    design: DenoiserDesign
    process: Process
    guidance: float
    n_steps: int
    precision: str

    @torch.no_grad()
    def images(self, label: int, n: int, rng: np.random.Generator) -> Iterator[Tensor]:
        """Draw n images of one label, (at most 32, c, s, s) in [0, 1] at a time, on the processor."""
        device = next(self.network.parameters()).device
        shape = CHUNK, self.design.channels, self.design.size, self.design.size
        labels = torch.full((CHUNK,), label, device=device)
        predict = guided(self.network, labels, null=self.design.n_classes, guidance=self.guidance)
        for start in range(0, n, CHUNK):
            noise = torch.as_tensor(rng.standard_normal(shape, dtype=np.float32), device=device)
            with autocast(self.precision, device)():
                images = self.process.sample(predict, noise, self.n_steps)
            yield (images[: n - start] / 2 + 0.5).clamp(0, 1).cpu()
