"""Networks whose inner modules may need the labels too."""

from torch import Tensor, nn


class Labeled(nn.Module):
    """A module that is called with features (b, ...) and labels (b,)."""


def passed(module: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Call a module, with the labels if it takes them."""
    out: Tensor = module(features, labels) if isinstance(module, Labeled) else module(features)
    return out


class Chain(Labeled):
    """One module after the other, like `nn.Sequential` (and its names); those that take labels get them."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, ...), (b,) -> (b, ...)."""
        for module in self.children():
            features = passed(module, features, labels)
        return features
