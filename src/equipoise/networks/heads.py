"""The last layer of a classifier: which kinds there are, how it is replaced, what goes into it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from equipoise.discovery import pick
from equipoise.exceptions import SettingError


class CosineLinear(nn.Linear):
    """Maps features (..., d) to cosines with one direction per class, (..., k) in [-1, 1]; no bias.

    Source: Cao et al. (2019), `NormedLinear` of their code. The initial directions are uniform on
    the sphere; theirs are uniform in the cube, then scaled to length 1.

    Example:
        >>> head = CosineLinear(4, 3)
        >>> head(torch.ones(2, 4)).abs().max() <= 1
        tensor(True)
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def reset_parameters(self) -> None:
        """Draw directions of length 1; called by the constructor."""
        with torch.no_grad():
            self.weight.copy_(normalize(self.weight.normal_(), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (..., d) to cosines (..., k)."""
        return linear(normalize(features, dim=-1), normalize(self.weight, dim=1))


HEADS: dict[str, type[nn.Linear]] = {"linear": nn.Linear, "cosine": CosineLinear}


def linear_called(network: nn.Module, name: str) -> nn.Linear:
    """Return the linear layer of a network by its name.

    Raises:
        SettingError: The layer of that name is not linear.
    """
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear):
        raise SettingError(
            f"Expected a linear layer called '{name}', got {type(layer).__name__}. Correct the "
            "name in the record of the network."
        )
    return layer


def replace_linear(network: nn.Module, name: str, kind: str) -> None:
    """Replace the linear layer called `name` by a new one of a kind in `HEADS`.

    A layer that is of this kind already stays. Random weights come from torch's global generator.

    Raises:
        SettingError: No such kind, or the layer of that name is not linear.
    """
    head = pick(HEADS, kind, "head")
    old = linear_called(network, name)
    if type(old) is head:
        return
    parent, _, child = name.rpartition(".")
    new = head(old.in_features, old.out_features).to(old.weight)
    setattr(network.get_submodule(parent), child, new)


def features_before(layer: nn.Module, network: nn.Module, images: Tensor) -> Tensor:
    """Pass images (n, c, h, w) through a network and return the input of one of its layers."""
    inputs_seen: list[Tensor] = []

    def record(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs_seen.append(inputs[0])

    handle = layer.register_forward_pre_hook(record)
    try:
        network(images)
    finally:
        handle.remove()
    return inputs_seen[0]
