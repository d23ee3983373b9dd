"""The training of a patch network: batches of patches, the patch sampler's epochs, looks at held-out slices."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.data.volume_dataset import IGNORED, Positions, VolumeDataset
from equipoise.estimators.patches.base import Drawing
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.scoring import channels_last
from equipoise.estimators.segmenter_settings import KEEP, jitter_of
from equipoise.estimators.slice_scores import PatchLoss, count, mean_dice, region_dice, some_slices
from equipoise.estimators.sliding import Slider
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import Batch, Batches, History, train
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.steps import LossStep

METRIC = "validation_mean_dice"


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchTask:
    """What one training of a `Segmenter` works on.

    Attributes:
        train: Cases to learn from.
        held: Cases to judge the weights by, or None.
        asked: Parameters of the `Segmenter`.
        slider: Shows slices and voxels to the network.
        loss: Descended; has what turns logits into probabilities.
        frequencies: Counts what is drawn; in dense mode the pixels of the patches too, but for those outside the
            brain, where all images are 0.
        file: Path of the checkpoint; None keeps none.
    """

    train: VolumeDataset
    held: VolumeDataset | None
    asked: Mapping[str, Any]
    slider: Slider
    loss: PatchLoss
    frequencies: Frequencies
    file: Path | None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.slider.network.parameters()).device


def train_patches(task: PatchTask) -> History:
    """Train all layers; the network ends with the weights that are to be kept."""
    asked, network = task.asked, task.slider.network
    drawing, step = _drawing(task), _step(task)
    parts: dict[str, Any] = {
        "network": network,
        "optimizer": step.optimizer,
        "schedule": step.schedule,
        "loss": task.loss,
        "drawing": drawing,
        "frequencies": task.frequencies,
    }
    hooks: list[Any] = [lambda done, _history: task.loss.advance(done / asked["n_steps"])]
    hooks.append(_Epochs(task, drawing))
    if (best := _watch(task)) is not None:
        parts["best"] = best
        hooks.insert(0, best)  # scored by the loss that it was trained with
    checkpoint = None if task.file is None else Checkpoint(task.file, parts)
    history = train(
        step,
        _batches(task, drawing),
        n_steps=asked["n_steps"],
        seed=asked["seed"],
        hooks=hooks,
        checkpoint=checkpoint,
        history=History(
            advice=f"Lower learning_rate (now {asked['learning_rate']:g}), or use precision='32-true'."
        ),
        name="segmenter",
    )
    if best is not None and asked["keep_best"] != "last":
        best.restore()
    return history


@dataclass(frozen=True, eq=False)
class _Epochs:
    """A hook that lets the patch sampler learn from the network between epochs."""

    task: PatchTask
    drawing: Drawing

    def __call__(self, done: int, history: History) -> None:
        """Rebuild where an epoch is over, and record what was found."""
        every, n_steps = self.task.asked["epoch_steps"], self.task.asked["n_steps"]
        if (
            done % every == 0
            and done < n_steps
            and (facts := self.drawing.rebuild(done // every, self._judge))
        ):
            history.add(done, facts)

    def _judge(self, positions: Positions) -> NDArray[np.float32]:
        """Give the probabilities (m, k) of the classes at (m, 4) positions."""
        logits = self.task.slider.at(self.task.train, positions)
        judged: NDArray[np.float32] = self.task.loss.probabilities(logits).cpu().numpy()
        return judged


@dataclass(frozen=True, eq=False)
class _Descended:
    """Patches and what is true of them to the loss."""

    network: nn.Module
    loss: PatchLoss

    def __call__(self, patches: Tensor, target: Tensor) -> Tensor:
        """Map patches (b, c, s, s) and classes, (b,) or (b, s, s), to a scalar."""
        value: Tensor = self.loss(self.network(channels_last(patches)).float(), target)
        return value


def _drawing(task: PatchTask) -> Drawing:
    asked = task.asked
    drawing: Drawing = asked["patch_sampler"].start(
        task.train,
        n=asked["batch_size"],
        size=asked["patch_size"],
        jitter=jitter_of(asked),
        seed=asked["seed"],
    )
    return drawing


def _batches(task: PatchTask, drawing: Drawing) -> Batches:
    size, dense = task.asked["patch_size"], task.slider.kind.dense

    def batch(step: int) -> Batch:
        drawn = drawing(step)
        if dense:
            patches, target = task.train.patches(drawn.centers, size)
            task.frequencies.add(
                drawn.classes, np.where((patches != 0).any(axis=1), target, IGNORED)
            )
        else:  # nothing was moved: what was drawn is in the center
            patches, target = task.train.images(drawn.centers, size), drawn.classes
            task.frequencies.add(drawn.classes)
        return torch.from_numpy(patches).to(task.device), torch.from_numpy(target).to(task.device)

    return batch


def _step(task: PatchTask) -> LossStep:
    asked, network = task.asked, task.slider.network
    optimizer = make_optimizer("adam", network.parameters(), learning_rate=asked["learning_rate"])
    return LossStep(
        loss=_Descended(network, task.loss),
        optimizer=optimizer,
        schedule=make_schedule("cosine", optimizer, asked["n_steps"]),
        autocast=autocast(asked["precision"], task.device),
    )


def _watch(task: PatchTask) -> KeepBest | None:
    """Judge by slices of held-out cases; None where there are none, or none with a region to find."""
    if (held := task.held) is None:
        return None
    places = some_slices(held, task.asked["n_slices"])
    as_trained = torch.zeros((1, held.k), device=task.device)
    if np.isnan(mean_dice(np.diag(held.counts), held.regions)):
        return None

    def score() -> dict[str, float]:
        (confusion,) = count(task.slider, task.loss, held, places, as_trained)
        by_region = {
            f"validation_dice_{name}": value
            for name, value in region_dice(confusion, held.regions).items()
        }
        return {METRIC: mean_dice(confusion, held.regions), **by_region}

    return KeepBest(
        task.slider.network,
        score,
        METRIC if KEEP[task.asked["keep_best"]] else None,
        every=task.asked["evaluate_every"],
        last=task.asked["n_steps"],
    )
