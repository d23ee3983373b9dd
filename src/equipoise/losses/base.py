"""What a loss is: a factory that is told the class counts, and the module that it makes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipoise.exceptions import DataError


@dataclass(frozen=True)
class LossFactory:
    """Makes a loss from class counts.

    The module that it makes maps logits (n, k, *spatial) and a target (n, *spatial) of class indices to a scalar.

    Attributes:
        name: How it is asked for.
        summary: One line for lists.
        build: Class counts (k,) float32 -> module.
        source: Where it is defined.
    """

    name: str
    summary: str
    build: Callable[[Tensor], nn.Module]
    source: str

    def __call__(self, counts: Tensor) -> nn.Module:
        """Make the loss for class counts (k,) of the training data.

        Raises:
            DataError: Not at least two classes, or a class without an image.
        """
        if counts.ndim != 1 or len(counts) < 2 or bool((counts < 1).any()):
            raise DataError(f"Expected counts of at least 2 classes, none of them empty, got {counts.tolist()}.")
        return self.build(counts.to(torch.float32))
