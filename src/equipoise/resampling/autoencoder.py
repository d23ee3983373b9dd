"""Encoder and generator trained as an autoencoder: the first stage of BAGAN and BAGAN-GP (methods 4.9, A.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from equipoise import __version__
from equipoise.arrays import Images, Labels, ValueRange, fingerprint
from equipoise.networks.design import Design
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages
from equipoise.resampling.fit_cache import Slot
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches, resident, to_unit
from equipoise.training.devices import autocast
from equipoise.training.loop import Batch, History, train
from equipoise.training.ranges import DATA_RANGES
from equipoise.training.steps import LossStep

TINY = 20  # images; where a class has fewer, batches take classes in proportion to the root of their counts (A.3)
N_WATCHED = 64  # images of a class whose reconstruction is watched

ERRORS: Mapping[str, Callable[[Tensor], Tensor]] = {"absolute": torch.abs, "squared": torch.square}


@dataclass(frozen=True, kw_only=True)
class AutoencoderPlan:
    """All that the fit depends on besides images and labels; the content key is made of its `repr`.

    Attributes:
        name: Of the fit, for progress and chance.
        layout: Which networks, with which first weights.
        error: What the autoencoder minimizes.
        span: The values that stand for black and white.
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
    span: ValueRange
    seed: int


class Autoencoder(nn.Module):
    """How far images are from what a generator makes of their encoding and label."""

    def __init__(self, encoder: nn.Module, generator: nn.Module, error: str) -> None:
        super().__init__()
        self.encoder, self.generator, self.error = encoder, generator, ERRORS[error]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(b, c, s, s) in the critic's range, (b,) -> mean error of each image (b,)."""
        rebuilt: Tensor = self.generator(self.encoder(images), labels)
        return self.error(rebuilt - images).flatten(1).mean(dim=1)


def train_autoencoder(
    plan: AutoencoderPlan,
    model: Autoencoder,
    images: Images,
    labels: Labels,
    held: LabeledImages | None,
    *,
    device: torch.device,
    workspace: Path | None,
) -> History:
    """Train an autoencoder in place, or load the finished fit of the same content into it.

    A fit that was killed goes on from its own checkpoint; once it is finished it stays in the workspace, so that
    stages behind it start from it again.

    Args:
        plan: The settings, from which also the first weights must follow.
        model: On the device.
        images: (n, c, s, s) in storage type.
        labels: (n,) 0..k-1.
        held: Real held-out images and labels; only watched.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        Its history: loss, and about 20 times the mean error of each class on training and validation images.
    """
    slot = Slot(workspace, "autoencoder", fingerprint(plan, images, labels, __version__))
    if fitted := slot.load():
        model.load_state_dict(dict(fitted[0]))
        return History(rows=list(fitted[1]["rows"]))
    into = DATA_RANGES[plan.data_range].into
    fused = device.type in ("cpu", "cuda")
    step = LossStep(
        loss=lambda x, y: model(into(x), y).mean(),
        optimizer=Adam(model.parameters(), lr=plan.learning_rate, betas=plan.betas, fused=fused),
        autocast=autocast(plan.precision, device),
    )
    groups = {"training": (images, labels)} | ({"validation": held} if held is not None else {})
    checkpoint = slot.checkpoint({"model": model, "optimizer": step.optimizer})
    history = train(
        step,
        _batches(plan, images, labels, device),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=[
            _WatchErrors(
                model, _watched(plan, groups, device), every=max(10, plan.n_steps // 200 * 10)
            )
        ],
        checkpoint=checkpoint,
        history=History(
            advice=f"{plan.name}: try a lower learning_rate (now {plan.learning_rate:g})."
        ),
        name=plan.name,
    )
    slot.store(
        ({name: t.cpu() for name, t in model.state_dict().items()}, {"rows": history.rows}),
        checkpoint,
    )
    return history


class _WatchErrors:
    """A hook that records the mean error on fixed images of each class, in eval mode, every so many steps."""

    def __init__(self, model: Autoencoder, groups: Mapping[str, Batch], *, every: int) -> None:
        self.model, self.groups, self.every = model, groups, every

    @torch.no_grad()
    def __call__(self, done: int, history: History) -> None:
        if done % self.every:
            return
        self.model.eval()
        history.add(
            done, {name: float(self.model(*batch).mean()) for name, batch in self.groups.items()}
        )
        self.model.train()


def _batches(
    plan: AutoencoderPlan, images: Images, labels: Labels, device: torch.device
) -> ResidentBatches:
    sampler = "square_root" if np.unique(labels, return_counts=True)[1].min() < TINY else "natural"
    pool = Pool(labels=labels, batch_size=plan.batch_size, n_steps=plan.n_steps, seed=plan.seed)
    return ResidentBatches(
        images, labels, BATCH_SAMPLERS[sampler](pool), span=plan.span, device=device
    )


def _watched(
    plan: AutoencoderPlan, groups: Mapping[str, LabeledImages], device: torch.device
) -> dict[str, Batch]:
    """Choose images of each group and class, by "training_error_class_0" and the like."""
    into, chosen = DATA_RANGES[plan.data_range].into, {}
    for name, (images, labels) in groups.items():
        for label in np.unique(labels).tolist():
            rng = make_rng(plan.seed, "reconstructed", label)
            rows = rng.permutation(np.flatnonzero(labels == label))[:N_WATCHED]
            batch = into(to_unit(resident(images[rows], device), plan.span))
            chosen[f"{name}_error_class_{label}"] = (
                batch,
                torch.as_tensor(labels[rows], device=device),
            )
    return chosen
