"""The last layer of a classifier: find it, exchange it, take what goes into it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from equipoise.discovery import pick
from equipoise.exceptions import SettingError


class CosineLinear(nn.Linear):
    """Gives the cosine between the features and a direction for each class, in [-1, 1]; it has no bias.

    Source: methods 2.3 (Cao et al. 2019, their `NormedLinear`). The directions start uniform on the sphere, theirs
    uniform in the cube and then scaled to length 1.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def reset_parameters(self) -> None:
        """Draw directions of length 1; called by the constructor."""
        with torch.no_grad():
            self.weight.copy_(normalize(self.weight.normal_(), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (n, d) to cosines (n, k)."""
        return linear(normalize(features, dim=1), normalize(self.weight, dim=1))


HEADS: dict[str, type[nn.Linear]] = {"linear": nn.Linear, "cosine": CosineLinear}


def last_linear(network: nn.Module) -> nn.Linear:
    """Find the layer of a classifier that gives its logits.

    Raises:
        SettingError: The network has no linear layer.
    """
    return _named_head(network)[1]


def replace_head(network: nn.Module, kind: str) -> None:
    """Put a fresh head of that kind in the place of another; one that is there already stays.

    Its weights come from torch's global generator.

    Raises:
        SettingError: No such kind, or the network has no linear layer.
    """
    head = pick(HEADS, kind, "head")
    name, old = _named_head(network)
    if type(old) is not head:
        owner, _, own_name = name.rpartition(".")
        new = head(old.in_features, old.out_features).to(old.weight)
        setattr(network.get_submodule(owner), own_name, new)


def features_of(network: nn.Module, images: Tensor) -> Tensor:
    """Pass images (n, c, h, w) through a classifier and give what goes into its head, (n, d).

    `last_linear(network)(features)` are its logits. Gradients flow where the caller has not switched them off.

    Raises:
        SettingError: The network has no linear layer.
    """
    found: list[Tensor] = []
    handle = last_linear(network).register_forward_pre_hook(
        lambda _head, inputs: found.append(inputs[0])
    )
    try:
        network(images)
    finally:
        handle.remove()
    return found[0]


def _named_head(network: nn.Module) -> tuple[str, nn.Linear]:
    layers = [
        (name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    ]
    if not layers:
        raise SettingError(
            f"Expected a classifier that ends in a linear layer, got {type(network).__name__}."
        )
    return layers[-1]
