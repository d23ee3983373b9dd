"""The first stage of a classifier's fit: its network with its first weights, and the training of all its layers."""

from typing import Any

import numpy as np
import torch
from torch import nn

from equipoise.discovery import pick
from equipoise.estimators.fit_request import NETWORK, Held, Task
from equipoise.estimators.row_loss import RowLoss
from equipoise.estimators.scoring import held_out_scores, logits_of
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.networks.backbones import build, find_backbone
from equipoise.training.augmentation import augmented
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches
from equipoise.training.devices import autocast
from equipoise.training.hooks import KeepBest
from equipoise.training.loop import Batches, History, train
from equipoise.training.mixing import MIXINGS
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.steps import LossStep

KEEP = {  # name -> higher is better
    "balanced_accuracy": True,
    "accuracy": True,
    "auroc": True,
    "loss": False,
    "last": False,
}


def build_network(
    name: str, *, pretrained: bool, channels: int, n_classes: int, side: int, loss: str
) -> nn.Module:
    """Build a network with the head that its loss is meant for; weights are random, of torch's global generator."""
    backbone = find_backbone(name)
    network: Any  # torch's stubs lack `to(memory_format=...)`
    if pretrained:
        network = backbone.build_pretrained(n_classes, side)
    else:
        network = build(name, channels=channels, n_classes=n_classes, side=side)
    backbone.replace_head(network, pick(LOSSES, loss, "loss").head)
    laid_out: nn.Module = network.to(memory_format=torch.channels_last)
    return laid_out


def train_network(network: nn.Module, loss: ImbalanceLoss, task: Task) -> History:
    """Train all layers; the network ends with the weights that are to be kept."""
    asked = task.asked
    step = _step(network, loss, task)
    parts: dict[str, Any] = {
        "network": network,
        "optimizer": step.optimizer,
        "schedule": step.schedule,
        "loss": loss,
    }
    hooks: list[Any] = [lambda done, _history: loss.advance(done / asked["n_steps"])]
    if task.held is not None:
        parts["best"] = _watch(network, loss, task, task.held)
        hooks.insert(0, parts["best"])  # scored by the loss that it was trained with
    history = train(
        step,
        _batches(task),
        n_steps=asked["n_steps"],
        seed=asked["seed"],
        hooks=hooks,
        checkpoint=task.checkpoint(NETWORK, parts),
        history=History(
            advice=f"Lower learning_rate (now {asked['learning_rate']:g}), or use precision='32-true'."
        ),
        name="classifier",
    )
    if task.held is not None and asked["keep_best"] != "last":
        parts["best"].restore()
    return history


def _step(network: nn.Module, loss: ImbalanceLoss, task: Task) -> LossStep:
    asked, codes = task.asked, torch.as_tensor(task.codes, device=task.device)
    weights = np.where(task.synthetic, asked["synthetic_weight"], 1.0).astype(np.float32)
    mixing = pick(MIXINGS, asked["mixing"], "mixing")
    optimizer = make_optimizer(
        asked["optimizer"],
        network.parameters(),
        learning_rate=asked["learning_rate"],
        weight_decay=asked["weight_decay"],
    )
    return LossStep(
        loss=RowLoss(
            network=network,
            loss=loss,
            codes=codes,
            weights=torch.as_tensor(weights, device=task.device),
            mixing=mixing and mixing(codes.bincount()),
        ),
        optimizer=optimizer,
        schedule=make_schedule(asked["schedule"], optimizer, asked["n_steps"]),
        autocast=autocast(asked["precision"], task.device),
    )


def _batches(task: Task) -> Batches:
    """Give augmented images and their rows; see `RowLoss`."""
    asked, rows = task.asked, np.arange(len(task.codes))
    pool = Pool(
        labels=task.codes,
        batch_size=asked["batch_size"],
        n_steps=asked["n_steps"],
        seed=asked["seed"],
        synthetic=task.synthetic,
        synthetic_share=asked["synthetic_share"],
    )
    sampler = pick(BATCH_SAMPLERS, asked["batch_sampler"], "batch sampler")(pool)
    resident = ResidentBatches(task.images, rows, sampler, span=task.span, device=task.device)
    return augmented(resident, asked["augmentation"])


def _watch(network: nn.Module, loss: ImbalanceLoss, task: Task, held: Held) -> KeepBest:
    asked, (images, codes) = task.asked, held

    def score() -> dict[str, float]:
        found = held_out_scores(logits_of(network, images, task.span), codes, loss)
        return {f"validation_{name}": value for name, value in found.items()}

    return KeepBest(
        network,
        score,
        "validation_loss" if asked["keep_best"] == "last" else f"validation_{asked['keep_best']}",
        every=asked["evaluate_every"],
        last=asked["n_steps"],
        higher_is_better=KEEP[asked["keep_best"]],
        patience=asked["patience"],
    )
