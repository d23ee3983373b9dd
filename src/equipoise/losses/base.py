"""What a loss is: a module of one value per item, and the factory that makes it from the class counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipoise.exceptions import DataError


class ImbalanceLoss(nn.Module, ABC):
    """A loss of logits (n, k, *spatial) and classes (n, *spatial); tensors of its own are buffers.

    A member defines `terms`. What turns logits into probabilities is the loss's business too, because a loss may
    teach a network logits whose softmax is not what it means.
    """

    @abstractmethod
    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each item, (n, *spatial), for logits (n, k, *spatial) and classes (n, *spatial)."""

    def forward(self, logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Average the terms, weighted by image if weights (n,) are given; divided by their number, not by weights.

        Source: methods 2. It differs from torch's weighted mean, which divides by the summed weights and so by
        another number in every batch.
        """
        terms = self.terms(logits, target)
        if weights is not None:
            terms = terms * weights.view(-1, *[1] * (terms.ndim - 1))
        return terms.mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn logits (n, k, *spatial) into probabilities of the same shape that sum to 1 over the classes."""
        return logits.softmax(dim=1)

    def advance(self, progress: float) -> None:
        """Tell the loss which share of the training is done, 0 to 1; called before a step, any number of times.

        Most losses do not change.
        """


@dataclass(frozen=True)
class LossFactory:
    """Makes a loss from class counts.

    Attributes:
        name: How it is asked for.
        summary: One line for lists.
        build: Class counts (k,) float32 -> loss.
        source: Where it is defined.
        head: Last layer that the loss is meant for; one of `equipoise.networks.heads.HEADS`.
        counts_real: Whether it is told the counts of the real images only, where others count synthetic ones too.
    """

    name: str
    summary: str
    build: Callable[[Tensor], ImbalanceLoss]
    source: str
    head: str = "linear"
    counts_real: bool = False

    def __call__(self, counts: Tensor) -> ImbalanceLoss:
        """Make the loss for class counts (k,) of the training data.

        Raises:
            DataError: Not at least two classes, or a class without an image.
        """
        if counts.ndim != 1 or len(counts) < 2 or bool((counts < 1).any()):
            raise DataError(
                f"Expected counts of at least 2 classes, none of them empty, got {counts.tolist()}."
            )
        return self.build(counts.to(torch.float32))
