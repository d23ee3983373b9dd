"""All stages of a classifier's fit, from initial weights to the network that predicts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from equipoise.arrays import Labels
from equipoise.atomic import JsonObject
from equipoise.discovery import pick
from equipoise.estimators.finetuning import FROZEN, freeze_batch_norm
from equipoise.estimators.first_stage import build_network, train_network
from equipoise.estimators.fit_request import FitRequest
from equipoise.estimators.pretraining import PretrainedTrunk, load_trunk
from equipoise.estimators.relearning import RELEARNED
from equipoise.estimators.second_stage import SECOND_STAGES, SecondStageResult
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.training.chance import isolated_chance
from equipoise.training.loop import History


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedStages:
    """A trained classifier.

    Attributes:
        network: The network, in evaluation mode.
        other: The same with the weights of the other checkpoint policy; None where a second stage
            would have to be trained on them.
        loss: Turns logits into probabilities.
        histories: Histories by name; that of the first stage is "".
        findings: Findings of the second stage.
    """

    network: nn.Module
    other: nn.Module | None
    loss: ImbalanceLoss
    histories: Mapping[str, History]
    findings: JsonObject


def train_stages(request: FitRequest, pretrained: PretrainedTrunk) -> TrainedStages:
    """Build the network, train all its layers, and run the second stage.

    A second stage starts from the weights that `keep_best` names. One that trains nothing is also
    run on those of the other checkpoint policy.
    """
    settings = request.settings
    counts = np.bincount(request.codes)
    real_counts = np.bincount(request.codes[~request.synthetic], minlength=len(counts))
    with isolated_chance(settings.seed, "classifier", "first weights"):
        network = build_network(
            request.backbone,
            pretrained=settings.pretrained,
            channels=request.images.shape[1],
            n_classes=len(counts),
            side=min(request.images.shape[2:]),
            loss=settings.loss,
        )
    if settings.pretrained is not None:
        request.backbone.load_weights(network, settings.pretrained)
    if pretrained.tensors is not None:
        load_trunk(request.backbone, network, pretrained.tensors)
    network = network.train().to(request.device)
    if settings.batch_norm == FROZEN:
        freeze_batch_norm(network)
    loss = make_loss(settings.loss, counts, real_counts).to(request.device)
    first = train_network(network, loss, request)
    network.eval()
    other: nn.Module | None = first.other
    second = SecondStageResult()
    stage = SECOND_STAGES[settings.second_stage]
    if stage is not None:
        second = stage.run(network, loss, request)
        if stage.relearns:
            loss = make_loss(RELEARNED, counts, real_counts).to(request.device)
            other = None
        else:
            stage.run(first.other, loss, request)
    request.finish()
    return TrainedStages(
        network=network,
        other=other,
        loss=loss,
        histories={**pretrained.histories, "": first.history, **second.histories},
        findings=second.findings,
    )


def make_loss(name: str, counts: Labels, real_counts: Labels) -> ImbalanceLoss:
    """Build a loss from the training images (k,) of each class and the real ones among them."""
    factory = pick(LOSSES, name, "loss")
    return factory(torch.as_tensor(real_counts if factory.counts_real else counts))
