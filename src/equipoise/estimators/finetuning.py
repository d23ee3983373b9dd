"""What the training of a pretrained network needs: rates by depth, warm-up of the head, batch norm.

All three protect what the network has learned before: layers near the images learn slowly, no
layer is moved by the errors of a random head, and the statistics of batch norms can stay.
"""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from equipoise.training.loop import History
from equipoise.training.optimizers import RateGroup

LIVE, FROZEN = "live", "frozen"
BATCH_NORMS: Mapping[str, str] = {
    LIVE: "Each batch is normalized by its own statistics, which are averaged for predictions.",
    FROZEN: "The statistics of the pretrained network are used, and stay as they are.",
}
TRUNK_GROUPS = 4  # of layers with a learning rate of their own; residual networks have four stages


def rate_groups(network: nn.Module, head: nn.Module, decay: float) -> list[RateGroup]:
    """Group the parameters of a network by depth: the head, then the trunk from top to stem.

    The trunk's layers, in the order in which the network registers them, form up to `TRUNK_GROUPS`
    groups of nearly equal numbers of layers; the learning rate of each is `decay` times that of the
    group above it. Few groups keep a fused optimizer fast.

    Source: discriminative fine-tuning, Howard and Ruder (2018), section 3.2, who divide by 2.6 from
    layer to layer. Difference: groups of layers.

    Args:
        network: The network.
        head: Its last layer, which has the full rate.
        decay: Factor from group to group, above 0.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> [group.factor for group in rate_groups(network, network[2], 0.5)]
        [1.0, 0.5]
    """
    top = list(head.parameters())
    grouped = {id(parameter) for parameter in top}
    layers: list[list[nn.Parameter]] = []  # from the stem
    for layer in network.modules():
        parameters = [p for p in layer.parameters(recurse=False) if id(p) not in grouped]
        grouped.update(map(id, parameters))
        if parameters:
            layers.append(parameters)
    groups = [RateGroup(tuple(top), 1.0)]
    n_groups = min(TRUNK_GROUPS, len(layers))
    chunks = np.array_split(np.arange(len(layers)), n_groups) if n_groups else []
    for depth, chunk in enumerate(reversed(chunks), start=1):
        parameters = []
        for i in chunk:
            parameters += layers[i]
        groups.append(RateGroup(tuple(parameters), decay**depth))
    return groups


def freeze_batch_norm(network: nn.Module) -> None:
    """Switch all batch norms to evaluation mode; their scales and shifts are still trained."""
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()


class WarmupState(TypedDict):
    """State of `HeadWarmup`."""

    done: int


class HeadWarmup:
    """A hook that trains the head alone during the first steps; then all layers.

    A random head would send large gradients through the pretrained layers. Without gradients these
    steps also cost less. It is `Stateful`: put it into the parts of the checkpoint.

    Source: linear probing before fine-tuning, Kumar et al. (2022); the first step of gradual
    unfreezing, Howard and Ruder (2018), section 3.3.

    Args:
        network: The network.
        head: Its last layer.
        n_steps: Steps of the head alone.
    """

    def __init__(self, network: nn.Module, head: nn.Module, n_steps: int) -> None:
        in_head = {id(parameter) for parameter in head.parameters()}
        self.trunk = [p for p in network.parameters() if id(p) not in in_head]
        self.n_steps = n_steps
        self.done = 0
        self._train_trunk(n_steps == 0)

    def __call__(self, done: int, history: History) -> None:
        """Train all layers from the step on that follows the last one of the warm-up."""
        self.done = done
        if done == self.n_steps:
            self._train_trunk(True)

    def state_dict(self) -> WarmupState:
        """Return the number of steps done."""
        return {"done": self.done}

    def load_state_dict(self, state: WarmupState) -> None:
        """Continue where a fit was killed."""
        self.done = state["done"]
        self._train_trunk(self.done >= self.n_steps)

    def _train_trunk(self, trained: bool) -> None:
        for parameter in self.trunk:
            parameter.requires_grad_(trained)
