"""Train encoder and generator as an autoencoder: the first stage of BAGAN and BAGAN-GP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from equipoise import __version__
from equipoise.arrays import ValueRange, content_key
from equipoise.networks.design import Design
from equipoise.randomness import make_rng
from equipoise.resampling.fit_cache import Slot
from equipoise.resampling.generator_fit import (
    FitImages,
    batch_rows,
    stored_weights,
    watch_interval,
)
from equipoise.training.devices import autocast
from equipoise.training.loop import Batch, History, LossStep, train
from equipoise.training.ranges import DATA_RANGES

TINY = 20  # images; a smaller class has batches drawn by the square roots of the class sizes
N_WATCHED = 64  # images of a class whose reconstruction error is recorded

ERRORS: Mapping[str, Callable[[Tensor], Tensor]] = {"absolute": torch.abs, "squared": torch.square}


@dataclass(frozen=True, kw_only=True)
class AutoencoderPlan:
    """Settings of the fit; together with images and labels, their `repr` makes the content key.

    Attributes:
        name: Name of the fit, in progress messages and random streams.
        layout: Name of the networks and their initialization, see `networks.layouts`.
        design: Sizes of the networks.
        error: What the autoencoder minimizes, a name in `ERRORS`.
        batch_size: Images in an update.
        n_steps: Updates.
        learning_rate: Of Adam.
        betas: Of Adam.
        data_range: Range of the images that the networks see, a name in `DATA_RANGES`.
        precision: A name in `PRECISIONS`.
        value_range: Stored values of black and white.
        seed: Seed of the fit.
    """

    name: str
    layout: str
    design: Design
    error: str
    batch_size: int
    n_steps: int
    learning_rate: float
    betas: tuple[float, float]
    data_range: str
    precision: str
    value_range: ValueRange
    seed: int


class Autoencoder(nn.Module):
    """An encoder and a class-conditional generator; computes the reconstruction error of images."""

    def __init__(self, encoder: nn.Module, generator: nn.Module, error: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.generator = generator
        self.error = ERRORS[error]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(b, c, s, s) in the critic's range, (b,) -> mean error of each image (b,)."""
        rebuilt: Tensor = self.generator(self.encoder(images), labels)
        return self.error(rebuilt - images).flatten(1).mean(dim=1)


def train_autoencoder(
    plan: AutoencoderPlan, model: Autoencoder, data: FitImages, *, workspace: Path | None
) -> History:
    """Train an autoencoder in place, or load the finished fit of the same content into it.

    A fit that was killed resumes from its own checkpoint. Once finished, it stays in the workspace,
    so that later stages can start from it again.

    Args:
        plan: The settings, which also determine the first weights.
        model: The networks to train, on the device of `data`.
        data: Training images, labels and validation images.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        Its history, with the loss and, about 20 times, the mean error of each class on training
        and validation images.

    Source: Mariani et al. (2018), arXiv 1803.09655, Section 3.2 (squared error); Huang & Jafari
    (2021), arXiv 2011.00189 (absolute error). Ours: where a class has fewer than 20 images, batches
    draw a class with a probability proportional to the square root of its size.
    """
    slot = Slot(workspace, "autoencoder", content_key(plan, data.images, data.labels, __version__))
    if fitted := slot.load():
        model.load_state_dict(dict(fitted[0]))
        return History(rows=list(fitted[1]["rows"]))
    into = DATA_RANGES[plan.data_range].into
    fused = data.device.type in ("cpu", "cuda")
    step = LossStep(
        loss=lambda images, labels: model(into(images), labels).mean(),
        optimizer=Adam(model.parameters(), lr=plan.learning_rate, betas=plan.betas, fused=fused),
        autocast=autocast(plan.precision, data.device),
    )
    class_sizes = np.unique(data.labels, return_counts=True)[1]
    rows = batch_rows(
        data,
        "square_root" if class_sizes.min() < TINY else "natural",
        batch_size=plan.batch_size,
        n_batches=plan.n_steps,
        seed=plan.seed,
    )
    checkpoint = slot.checkpoint({"model": model, "optimizer": step.optimizer})
    history = train(
        step,
        data.batches(rows),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=[
            _WatchErrors(model, _watched_batches(plan, data), every=watch_interval(plan.n_steps))
        ],
        checkpoint=checkpoint,
        history=History(
            advice=f"{plan.name}: try a lower learning_rate (now {plan.learning_rate:g})."
        ),
        name=plan.name,
    )
    slot.store((stored_weights(model), {"rows": history.rows}), checkpoint)
    return history


class _WatchErrors:
    """Record the mean error on fixed images of each class, every `every` steps."""

    def __init__(self, model: Autoencoder, batches: Mapping[str, Batch], *, every: int) -> None:
        self.model = model
        self.batches = batches
        self.every = every

    @torch.no_grad()
    def __call__(self, done: int, history: History) -> None:
        if done % self.every:
            return
        self.model.eval()
        errors = {name: float(self.model(*batch).mean()) for name, batch in self.batches.items()}
        history.add(done, errors)
        self.model.train()


def _watched_batches(plan: AutoencoderPlan, data: FitImages) -> dict[str, Batch]:
    """Choose images of each group and class; the keys are "training_error_class_0" and so on."""
    groups = {"training": (data.images, data.labels)}
    if data.validation is not None:
        groups["validation"] = data.validation
    into = DATA_RANGES[plan.data_range].into
    batches: dict[str, Batch] = {}
    for group, (images, labels) in groups.items():
        for label in np.unique(labels).tolist():
            rng = make_rng(plan.seed, "reconstructed", label)
            rows = rng.permutation(np.flatnonzero(labels == label))[:N_WATCHED]
            batches[f"{group}_error_class_{label}"] = (
                into(data.to_unit(images[rows])),
                torch.as_tensor(labels[rows], device=data.device),
            )
    return batches
