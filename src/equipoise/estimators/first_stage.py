"""The first stage of a classifier's fit: building the network and training all its layers."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from equipoise.discovery import pick
from equipoise.estimators.finetuning import HeadWarmup, rate_groups
from equipoise.estimators.fit_request import NETWORK, FitRequest
from equipoise.estimators.row_loss import AdvanceLoss, RowLoss, divergence_advice
from equipoise.estimators.scoring import logits_of, validation_scores
from equipoise.estimators.settings import ClassifierSettings
from equipoise.estimators.shared_settings import AVERAGED, KEEP_BEST
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.networks.backbone import Backbone
from equipoise.networks.backbones import build
from equipoise.training.augmentation import augmented
from equipoise.training.averaging import ExponentialAverage
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches
from equipoise.training.checkpoint import Stateful
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import AccumulatingStep, Batches, History, Hook, LossStep, train
from equipoise.training.mixing import MIXINGS
from equipoise.training.optimizers import RateGroup, make_optimizer, make_schedule


def build_network(
    backbone: Backbone,
    *,
    pretrained: str | Path | None,
    channels: int,
    n_classes: int,
    side: int,
    loss: str,
) -> nn.Module:
    """Build a network with the head of its loss and random weights of torch's global generator.

    With `pretrained` it is the network that those weights fit; they are not loaded.
    """
    network: Any  # torch's stubs lack `to(memory_format=...)`
    if pretrained is not None:
        network = backbone.build_pretrained(n_classes, side, pretrained)
    else:
        network = build(backbone, channels=channels, n_classes=n_classes, side=side)
    backbone.replace_head(network, pick(LOSSES, loss, "loss").head)
    laid_out: nn.Module = network.to(memory_format=torch.channels_last)
    return laid_out


@dataclass(frozen=True, eq=False)
class FirstStage:
    """What the training of all layers yields, beside the network.

    Attributes:
        history: Its history.
        other: The same network with the weights of the other checkpoint policy: averaged, where
            validation images chose those of the network, else the best on the validation images
            (balanced accuracy; without such images the last).
    """

    history: History
    other: nn.Module


def train_network(network: nn.Module, loss: ImbalanceLoss, request: FitRequest) -> FirstStage:
    """Train all layers and leave the network with the weights that `keep_best` names.

    One training yields the weights of both checkpoint policies; averaging them changes no step.
    """
    settings = request.settings
    head = request.backbone.head_of(network)
    n_warmup = settings.n_warmup_steps
    optimizer = make_optimizer(
        settings.optimizer,
        updated_parameters(network, head, settings.layer_decay),
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    schedule = make_schedule(settings.schedule, optimizer, settings.n_steps, n_warmup=n_warmup)
    average = ExponentialAverage(network, average_buffers=True)
    parts: dict[str, Stateful] = {
        "network": network,
        "optimizer": optimizer,
        "schedule": schedule,
        "loss": loss,
        "average": average,
    }
    hooks: list[Hook] = [average, AdvanceLoss(loss, settings.n_steps)]
    if n_warmup:
        warmup = HeadWarmup(network, head, n_warmup)
        parts["head warm-up"] = warmup
        hooks.append(warmup)
    best = keep_best_hook(network, loss, request)
    if best is not None:
        parts["best"] = best
        hooks.insert(0, best)  # scored before the loss advances
    history = train(
        make_step(weighted_loss(network, loss, request), optimizer, schedule, request),
        image_batches(request),
        n_steps=settings.n_steps,
        seed=settings.seed,
        hooks=hooks,
        checkpoint=request.checkpoint(NETWORK, parts),
        history=History(advice=divergence_advice(settings.learning_rate)),
        name="classifier",
    )
    return FirstStage(history, keep_weights(network, best, average, settings))


def updated_parameters(
    network: nn.Module, head: nn.Module, layer_decay: float
) -> Iterable[nn.Parameter] | Sequence[RateGroup]:
    """Return the parameters of a network, in groups where their rates differ."""
    if layer_decay == 1.0:
        return network.parameters()
    return rate_groups(network, head, layer_decay)


def make_step(
    loss: RowLoss, optimizer: Optimizer, schedule: LRScheduler, request: FitRequest
) -> LossStep:
    """Build the step of a training; it accumulates gradients where the batch is cut into pieces."""
    precision = autocast(request.settings.precision, request.device)
    if request.settings.micro_batch_size is None:
        return LossStep(loss=loss, optimizer=optimizer, schedule=schedule, autocast=precision)
    return AccumulatingStep(
        loss=loss, parts=loss.parts, optimizer=optimizer, schedule=schedule, autocast=precision
    )


def keep_weights(
    network: nn.Module,
    best: KeepBest | None,
    average: ExponentialAverage,
    settings: ClassifierSettings,
) -> nn.Module:
    """Load the weights of the policy into a network; return one with those of the other policy."""
    last = deepcopy(network.state_dict())
    if best is not None:
        best.restore()
    if settings.chosen_on_validation:
        return average.network
    other = deepcopy(network).eval().requires_grad_(False)
    network.load_state_dict(average.state_dict() if settings.keep_best == AVERAGED else last)
    return other


def weighted_loss(network: nn.Module, loss: ImbalanceLoss, request: FitRequest) -> RowLoss:
    """Return the loss of a batch with the weights of synthetic images and with mixing."""
    settings = request.settings
    codes = torch.as_tensor(request.codes, device=request.device)
    weights = np.where(request.synthetic, settings.synthetic_weight, 1.0).astype(np.float32)
    if request.sample_weight is not None:
        weights = weights * request.sample_weight
    mixing = pick(MIXINGS, settings.mixing, "mixing")
    return RowLoss(
        network=network,
        loss=loss,
        codes=codes,
        weights=torch.as_tensor(weights, device=request.device),
        mixing=None if mixing is None else mixing(codes.bincount()),
        piece_size=settings.micro_batch_size,
    )


def image_batches(request: FitRequest) -> Batches:
    """Return batches of augmented images and their row numbers; see `RowLoss`."""
    settings = request.settings
    pool = Pool(
        labels=request.codes,
        batch_size=settings.batch_size,
        n_steps=settings.n_steps,
        seed=settings.seed,
        synthetic=request.synthetic,
        synthetic_share=settings.synthetic_share,
    )
    sampler = pick(BATCH_SAMPLERS, settings.batch_sampler, "batch sampler")(pool)
    rows = np.arange(len(request.codes))
    images = ResidentBatches(
        request.images, rows, sampler, span=request.span, device=request.device
    )
    return augmented(images, settings.augmentation)


def keep_best_hook(network: nn.Module, loss: ImbalanceLoss, request: FitRequest) -> KeepBest | None:
    """Build the hook that scores the validation images; None without any."""
    if request.validation is None:
        return None
    images, codes = request.validation
    settings = request.settings

    def score() -> dict[str, float]:
        scores = validation_scores(logits_of(network, images, request.span), codes, loss)
        return {f"validation_{name}": value for name, value in scores.items()}

    metric = settings.keep_best if settings.chosen_on_validation else "balanced_accuracy"
    return KeepBest(
        network,
        score,
        f"validation_{metric}",
        every=settings.evaluate_every,
        last=settings.n_steps,
        higher_is_better=KEEP_BEST[settings.keep_best],
        patience=settings.patience,
    )
