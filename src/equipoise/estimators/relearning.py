"""Train a new last layer on the features of a network; all other layers stay as they are."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Labels
from equipoise.estimators.fit_request import HEAD, FitRequest
from equipoise.losses import LOSSES
from equipoise.training.batches import Pool
from equipoise.training.chance import isolated_chance
from equipoise.training.checkpoint import Stateful
from equipoise.training.devices import autocast
from equipoise.training.loop import Batches, History, LossStep, train
from equipoise.training.optimizers import make_optimizer, make_schedule

LEARNING_RATE, WEIGHT_DECAY = 0.1, 5e-4
RELEARNED = "cross_entropy"  # whatever the loss of the first stage: batches are balanced already


def relearn(
    network: nn.Module,
    batches: Batches,
    features: Callable[[Tensor], Tensor],
    request: FitRequest,
) -> History:
    """Train a new last layer alone, by SGD with a cosine schedule from 0.1 to 0.

    Args:
        network: In evaluation mode; only its last layer is replaced and trained.
        batches: Balanced batches of inputs and codes.
        features: Maps the inputs of a batch to features (b, d).
        request: The fit.

    Source: Kang et al. (2020). Initial weights are N(0, 0.01), biases 0, weight decay 5e-4.
    """
    settings = request.settings
    with isolated_chance(settings.seed, "classifier", "second stage"):
        request.backbone.replace_head(network, "linear")
        head = request.backbone.head_of(network)
        nn.init.normal_(head.weight, 0.0, 0.01)
        nn.init.zeros_(head.bias)
    loss = LOSSES[RELEARNED](torch.as_tensor(np.bincount(request.codes)))
    optimizer = make_optimizer(
        "sgd", head.parameters(), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = make_schedule("cosine", optimizer, settings.n_second_steps)
    step = LossStep(
        loss=lambda inputs, codes: loss(head(features(inputs)).float(), codes),
        optimizer=optimizer,
        schedule=schedule,
        autocast=autocast(settings.precision, request.device),
    )
    parts: dict[str, Stateful] = {"head": head, "optimizer": optimizer, "schedule": schedule}
    return train(
        step,
        batches,
        n_steps=settings.n_second_steps,
        seed=settings.seed,
        checkpoint=request.checkpoint(HEAD, parts),
        history=History(
            advice="The features are too large for a second stage. Use second_stage='none'."
        ),
        name="classifier head",
    )


def pool_of(request: FitRequest, codes: Labels) -> Pool:
    """Return the images with these codes as the pool of a batch sampler of the second stage."""
    settings = request.settings
    return Pool(
        labels=codes,
        batch_size=settings.batch_size,
        n_steps=settings.n_second_steps,
        seed=settings.seed,
    )
