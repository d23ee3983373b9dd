"""Train one denoiser on all classes and keep the best averaged weights to sample from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from equipoise import __version__
from equipoise.arrays import Labels, Rows, ValueRange, content_key
from equipoise.image_rows import ImageSource, select
from equipoise.networks.denoiser import Denoiser, DenoiserDesign
from equipoise.randomness import make_rng
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.generator_fit import FitImages, batch_rows, stored_weights
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Stateful
from equipoise.training.denoising import PROCESSES, DenoisingLoss, Process, Task, errors, guided
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import History, LossStep, train
from equipoise.training.optimizers import make_optimizer

NAME = "all classes"
CHUNK = 32  # images sampled at a time; always full, so that none depends on the number requested
EVALUATIONS = 20  # of the error on fixed tasks in a fit
PATIENCE = 5  # evaluations without gain after which the fit ends
N_TASKS = 64  # fixed tasks of each group of images
WEIGHT_DECAY = 0.01  # of AdamW, as in torch

Tasks = Callable[[], Iterator[tuple[Task, Tensor]]]  # tasks and labels, the same at every call


@dataclass(frozen=True, kw_only=True)
class DiffusionPlan:
    """All that a fit depends on besides images and labels; the content key is made of its `repr`.

    Attributes:
        stop_share: Share of the training images of each class that is set aside for early stopping.
        value_range: The stored values of black and white.
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
    value_range: ValueRange
    seed: int

    @property
    def advice(self) -> str:
        """What to change when training fails."""
        safer = "" if self.precision == "32-true" else " or precision='32-true'"
        rate, n_steps = f"{self.learning_rate:g}", self.n_steps
        return f"Try a lower learning_rate (now {rate}), more n_steps (now {n_steps}){safer}."


def fit_denoiser(plan: DiffusionPlan, data: FitImages, *, workspace: Path | None) -> Fitted:
    """Load the finished fit of the same content, or train (resuming from a checkpoint).

    Args:
        plan: The settings.
        data: What to learn from.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        Tensors of the averaged denoiser, and {"rows": of its history}.

    Raises:
        DivergedError: The loss became NaN or infinite.
    """
    slot = Slot(workspace, "diffusion", content_key(plan, data.images, data.labels, __version__))
    return slot.load() or _train(plan, data, slot)


def set_aside(labels: Labels, share: float, seed: int) -> Rows:
    """Choose the rows that decide when a fit stops: of each class its share, rounded down."""
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        shuffled = make_rng(seed, "set aside", int(label)).permutation(rows)
        chosen.append(shuffled[: int(share * len(rows))])
    return np.sort(np.concatenate(chosen))


def _train(plan: DiffusionPlan, data: FitImages, slot: Slot) -> Fitted:
    aside = set_aside(data.labels, plan.stop_share, plan.seed)
    rest = np.setdiff1d(np.arange(len(data.labels)), aside)
    learned = replace(data, images=select(data.images, rest), labels=data.labels[rest])
    with isolated_chance(plan.seed, NAME, "start"):
        network = Denoiser(plan.design).to(data.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = ExponentialAverage(network, decay=plan.ema_decay)
    step = _build_step(plan, network, data.device)
    keep_best = _keep_best(plan, data, average.network, rest, aside)
    parts: dict[str, Stateful] = {
        "network": network,
        "optimizer": step.optimizer,
        "average": average,
        "best": keep_best,
    }
    if step.schedule is not None:
        parts["schedule"] = step.schedule
    checkpoint = slot.checkpoint(parts)
    rows = batch_rows(
        learned,
        plan.batch_sampler,
        batch_size=plan.batch_size,
        n_batches=plan.n_steps,
        seed=plan.seed,
    )
    history = train(
        step,
        learned.batches(rows),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=[average, keep_best],
        checkpoint=checkpoint,
        history=History(advice=plan.advice),
        name=NAME,
    )
    keep_best.restore()
    fitted = stored_weights(average.network), {"rows": history.rows}
    slot.store(fitted, checkpoint)
    return fitted


def _build_step(plan: DiffusionPlan, network: Denoiser, device: torch.device) -> LossStep:
    optimizer = make_optimizer(
        "adamw",
        network.parameters(),
        learning_rate=plan.learning_rate,
        weight_decay=WEIGHT_DECAY,
    )
    # the learning rate rises over a twentieth of the steps, at most 1000 (of 50,000 usually)
    n_rising = min(1000, max(1, plan.n_steps // 20))
    loss = DenoisingLoss(
        process=PROCESSES[plan.process],
        network=network,
        n_classes=plan.design.n_classes,
        label_drop=plan.label_drop,
    )
    return LossStep(
        loss=loss,
        optimizer=optimizer,
        schedule=LambdaLR(optimizer, lambda done: min(1.0, (done + 1) / n_rising)),
        autocast=autocast(plan.precision, device),
    )


def _keep_best(
    plan: DiffusionPlan, data: FitImages, network: nn.Module, rest: Rows, aside: Rows
) -> KeepBest:
    """Record the averaged network's error on fixed tasks, keep the best weights and end the fit.

    Images set aside from the training images decide, because the result of a resampler must not
    depend on validation images; the error of those is recorded too. Without images set aside, the
    last weights stay.
    """
    groups = {"training": (select(data.images, rest), data.labels[rest])}
    if len(aside):
        groups["set_aside"] = select(data.images, aside), data.labels[aside]
    if data.validation is not None and len(data.validation[1]):
        groups["validation"] = data.validation
    tasks = {name: _fixed_tasks(plan, data, *group) for name, group in groups.items()}

    @torch.no_grad()
    def score() -> dict[str, float]:
        scores: dict[str, float] = {}
        with autocast(plan.precision, data.device)():
            for name, group in tasks.items():
                parts = [errors(network, task, labels) for task, labels in group()]
                scores[f"{name}_error"] = float(torch.cat(parts).mean())
        return scores

    return KeepBest(
        network,
        score,
        "set_aside_error" if len(aside) else None,
        every=max(1, plan.n_steps // EVALUATIONS),
        last=plan.n_steps,
        higher_is_better=False,
        patience=PATIENCE,
    )


def _fixed_tasks(
    plan: DiffusionPlan, data: FitImages, images: ImageSource, labels: Labels
) -> Tasks:
    """Return what returns the same tasks each time: classes alike, noise levels on an even grid."""
    group = replace(data, images=images, labels=labels)
    rows = batch_rows(group, "balanced", batch_size=N_TASKS, n_batches=1, seed=plan.seed)(0)
    task_images = images[rows]
    task_labels = torch.as_tensor(labels[rows], device=data.device)
    process = PROCESSES[plan.process]

    def tasks() -> Iterator[tuple[Task, Tensor]]:
        rng = make_rng(plan.seed, "tasks")
        grid = (rng.permutation(N_TASKS) + 0.5) / N_TASKS
        places = torch.as_tensor(grid, dtype=torch.float32)
        for start in range(0, N_TASKS, CHUNK):
            part = slice(start, start + CHUNK)
            clean = data.to_unit(task_images[part]) * 2 - 1
            normal = rng.standard_normal(clean.shape, dtype=np.float32)
            noise = torch.as_tensor(normal, device=data.device)
            levels = process.levels(places[part].to(data.device))
            yield process.task(clean, noise, levels), task_labels[part]

    return tasks


@dataclass(frozen=True, kw_only=True)
class ImageSampler:
    """Draw images from a trained denoiser.

    Attributes:
        network: In evaluation mode.
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
        """Draw n images of one label, (at most 32, c, s, s) in [0, 1] at a time, on the CPU."""
        device = next(self.network.parameters()).device
        shape = CHUNK, self.design.channels, self.design.size, self.design.size
        labels = torch.full((CHUNK,), label, device=device)
        predict = guided(self.network, labels, null=self.design.n_classes, guidance=self.guidance)
        for start in range(0, n, CHUNK):
            noise = torch.as_tensor(rng.standard_normal(shape, dtype=np.float32), device=device)
            with autocast(self.precision, device)():
                images = self.process.sample(predict, noise, self.n_steps)
            yield (images[: n - start] / 2 + 0.5).clamp(0, 1).cpu()
