"""Training of a patch network: patch batches, epochs of the patch sampler, validation slices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.data.volume_dataset import IGNORED, Positions, VolumeDataset
from equipoise.estimators.patches.base import PatchStream
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.row_loss import AdvanceLoss, divergence_advice
from equipoise.estimators.scoring import channels_last
from equipoise.estimators.segmenter_settings import KEEP_BEST, SegmenterSettings
from equipoise.estimators.slice_scores import (
    PatchLoss,
    count_pixels,
    mean_dice,
    region_dice,
    validation_slices,
)
from equipoise.estimators.sliding import SlidingPredictor
from equipoise.training.checkpoint import Checkpoint, Stateful
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import Batch, Batches, History, Hook, LossStep, train
from equipoise.training.optimizers import make_optimizer, make_schedule

METRIC = "validation_mean_dice"


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchFitRequest:
    """The data and settings of one training of a `Segmenter`.

    Attributes:
        train: Training cases.
        validation: Cases that choose the weights, or None.
        settings: Parameters of the `Segmenter`.
        predictor: The network, and how it is applied to slices and voxels.
        loss: Training loss, which also turns logits into probabilities.
        frequencies: Counts the sampled voxels; in dense mode also the pixels of the patches, except
            those outside the brain, where all images are 0.
        file: Path of the checkpoint; None writes none.
    """

    train: VolumeDataset
    validation: VolumeDataset | None
    settings: SegmenterSettings
    predictor: SlidingPredictor
    loss: PatchLoss
    frequencies: Frequencies
    file: Path | None

    @property
    def network(self) -> nn.Module:
        """The network to train."""
        return self.predictor.network

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.network.parameters()).device

    def start_stream(self) -> PatchStream:
        """Start drawing patches from the training cases."""
        settings = self.settings
        return settings.sampler().start(
            self.train,
            n=settings.batch_size,
            size=settings.patch_size,
            jitter=settings.max_jitter,
            seed=settings.seed,
        )

    def predict_voxels(self, positions: Positions) -> NDArray[np.float32]:
        """Return the class probabilities (m, k) of training voxels at (m, 4) positions."""
        logits = self.predictor.at(self.train, positions)
        probabilities: NDArray[np.float32] = self.loss.probabilities(logits).cpu().numpy()
        return probabilities


def train_patches(request: PatchFitRequest) -> History:
    """Train all layers and leave the network with the weights that `keep_best` names."""
    settings = request.settings
    stream = request.start_stream()
    optimizer = make_optimizer(
        "adam", request.network.parameters(), learning_rate=settings.learning_rate
    )
    schedule = make_schedule("cosine", optimizer, settings.n_steps)
    parts: dict[str, Stateful] = {
        "network": request.network,
        "optimizer": optimizer,
        "schedule": schedule,
        "loss": request.loss,
        "stream": stream,
        "frequencies": request.frequencies,
    }
    hooks: list[Hook] = [AdvanceLoss(request.loss, settings.n_steps), _Epochs(request, stream)]
    best = keep_best_hook(request)
    if best is not None:
        parts["best"] = best
        hooks.insert(0, best)  # scored before the loss advances
    history = train(
        LossStep(
            loss=_NetworkLoss(request.network, request.loss),
            optimizer=optimizer,
            schedule=schedule,
            autocast=autocast(settings.precision, request.device),
        ),
        patch_batches(request, stream),
        n_steps=settings.n_steps,
        seed=settings.seed,
        hooks=hooks,
        checkpoint=None if request.file is None else Checkpoint(request.file, parts),
        history=History(advice=divergence_advice(settings.learning_rate)),
        name="segmenter",
    )
    if best is not None and settings.keep_best != "last":
        best.restore()
    return history


@dataclass(frozen=True, eq=False)
class _Epochs:
    """A training hook that lets the patch sampler adapt to the network between epochs."""

    request: PatchFitRequest
    stream: PatchStream

    def __call__(self, done: int, history: History) -> None:
        """At the end of an epoch rebuild the stream and record its statistics."""
        epoch_steps = self.request.settings.epoch_steps
        if done % epoch_steps == 0 and done < self.request.settings.n_steps:
            statistics = self.stream.rebuild(done // epoch_steps, self.request.predict_voxels)
            if statistics:
                history.add(done, statistics)


@dataclass(frozen=True, eq=False)
class _NetworkLoss:
    """Patches and their labels to the loss of the network."""

    network: nn.Module
    loss: PatchLoss

    def __call__(self, patches: Tensor, target: Tensor) -> Tensor:
        """Map patches (b, c, s, s) and classes, (b,) or (b, s, s), to a scalar."""
        value: Tensor = self.loss(self.network(channels_last(patches)).float(), target)
        return value


def patch_batches(request: PatchFitRequest, stream: PatchStream) -> Batches:
    """Return batches of patches (b, c, s, s) and classes, (b,) or in dense mode (b, s, s)."""
    size = request.settings.patch_size
    dense = request.predictor.architecture.dense

    def batch(step: int) -> Batch:
        centers, _, classes = stream(step)
        if dense:
            patches, target = request.train.patches(centers, size)
            in_brain = (patches != 0).any(axis=1)  # (b, s, s)
            request.frequencies.add(classes, np.where(in_brain, target, IGNORED))
        else:  # without jitter: the sampled voxel is the center
            patches, target = request.train.images(centers, size), classes
            request.frequencies.add(classes)
        device = request.device
        return torch.from_numpy(patches).to(device), torch.from_numpy(target).to(device)

    return batch


def keep_best_hook(request: PatchFitRequest) -> KeepBest | None:
    """Build the hook that scores validation slices; None without cases, or without any region."""
    validation = request.validation
    settings = request.settings
    if validation is None:
        return None
    if np.isnan(mean_dice(np.diag(validation.counts), validation.regions)):
        return None
    slices = validation_slices(validation, settings.n_slices)
    no_offset = torch.zeros((1, validation.k), device=request.device)

    def score() -> dict[str, float]:
        (confusion,) = count_pixels(request.predictor, request.loss, validation, slices, no_offset)
        scores = {METRIC: mean_dice(confusion, validation.regions)}
        for name, value in region_dice(confusion, validation.regions).items():
            scores[f"validation_dice_{name}"] = value
        return scores

    return KeepBest(
        request.network,
        score,
        METRIC if KEEP_BEST[settings.keep_best] else None,
        every=settings.evaluate_every,
        last=settings.n_steps,
    )
