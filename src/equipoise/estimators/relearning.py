"""Learn the last layer of a network again; everything before it stays as it is."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Labels
from equipoise.estimators.fit_request import HEAD, Task
from equipoise.losses import LOSSES
from equipoise.networks.backbone import Backbone
from equipoise.training.batches import Pool
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import autocast
from equipoise.training.loop import Batches, History, train
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.steps import LossStep

LEARNING_RATE, WEIGHT_DECAY = 0.1, 5e-4
RELEARNED = "cross_entropy"  # the loss, whatever that of the first stage was: the batches are balanced already


def relearn(
    network: nn.Module, batches: Batches, features: Callable[[Tensor], Tensor], task: Task
) -> History:
    """Train a new last layer alone, by SGD whose rate falls from 0.1 to 0 as a cosine.

    Args:
        network: In evaluation; only its last layer is exchanged and changed.
        batches: Balanced batches of anything and of codes.
        features: Turns the first part of a batch into features (b, d).
        task: The fit.

    Source: methods A.8: weights N(0, 0.01), biases 0, weight decay 5e-4.
    """
    head = _fresh_head(task.backbone, network, task.asked["seed"])
    n_steps = steps_of(task)
    loss = LOSSES[RELEARNED](torch.as_tensor(np.bincount(task.codes)))
    optimizer = make_optimizer(
        "sgd", head.parameters(), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = make_schedule("cosine", optimizer, n_steps)
    step = LossStep(
        loss=lambda inputs, codes: loss(head(features(inputs)).float(), codes),
        optimizer=optimizer,
        schedule=schedule,
        autocast=autocast(task.asked["precision"], task.device),
    )
    return train(
        step,
        batches,
        n_steps=n_steps,
        seed=task.asked["seed"],
        checkpoint=task.checkpoint(
            HEAD, {"head": head, "optimizer": optimizer, "schedule": schedule}
        ),
        history=History(
            advice="The features are too large for a second stage; use second_stage='none'."
        ),
        name="classifier head",
    )


def _fresh_head(backbone: Backbone, network: nn.Module, seed: int) -> nn.Linear:
    with isolated_chance(seed, "classifier", "second stage"):
        backbone.replace_head(network, "linear")
        head = backbone.head_of(network)
        nn.init.normal_(head.weight, 0.0, 0.01)
        nn.init.zeros_(head.bias)
    return head


def steps_of(task: Task) -> int:
    """Give the steps of the second stage: what is asked for, or a quarter of those of the first."""
    asked = task.asked["second_stage_steps"]
    return max(1, task.asked["n_steps"] // 4) if asked is None else int(asked)


def pool_of(task: Task, codes: Labels) -> Pool:
    """Give what a batch sampler of the second stage chooses from."""
    asked = task.asked
    return Pool(
        labels=codes, batch_size=asked["batch_size"], n_steps=steps_of(task), seed=asked["seed"]
    )
