"""What a loss is: a module with one value per item, and the factory that builds it from counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.exceptions import DataError, SettingError


class ImbalanceLoss(nn.Module, ABC):
    """A loss of logits (n, k, *spatial) and classes (n, *spatial); its own tensors are buffers.

    Subclasses define `terms`. They also define how logits become probabilities where a plain
    softmax would be wrong, as for losses that train with shifted or scaled logits.
    """

    @abstractmethod
    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each item: logits (n, k, *spatial), classes -> (n, *spatial)."""

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weights: Tensor | None = None,
        *,
        reduction: str = "mean",
        ignore_index: int | None = None,
    ) -> Tensor:
        """Average the terms, optionally weighted by image; the divisor is their number.

        torch's weighted cross-entropy divides by the sum of the weights instead, and so by another
        number in every batch.

        Args:
            logits: (n, k, *spatial); half precision is computed in float32.
            target: (n, *spatial) classes 0..k-1 of any integer type, or (n, k, *spatial) shares of
                the classes, whose terms are averaged.
            weights: (n,) weights of the images; None for 1.
            reduction: "mean" or "sum" for a scalar, "none" for the terms (n, *spatial).
            ignore_index: Items of this class count nothing, also in the divisor; where no item
                counts, the mean is 0. None ignores none; -100 is torch's default.

        Raises:
            SettingError: Another reduction.
        """
        if reduction not in ("mean", "sum", "none"):
            raise SettingError(f"Expected reduction 'mean', 'sum' or 'none', got {reduction!r}.")
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        ignored = None
        if target.is_floating_point():
            terms = self._terms_of_shares(logits, target)
        else:
            target = target.long()
            if ignore_index is not None:
                ignored = target == ignore_index
                target = target.masked_fill(ignored, 0)
            terms = self.terms(logits, target)
        if weights is not None:
            terms = terms * weights.view(-1, *[1] * (terms.ndim - 1))
        if ignored is not None:
            terms = terms.masked_fill(ignored, 0.0)
        if reduction == "none":
            return terms
        if reduction == "sum":
            return terms.sum()
        return terms.mean() if ignored is None else terms.sum() / (~ignored).sum().clamp_min(1)

    def _terms_of_shares(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Average the terms (n, *spatial) of the classes by their shares (n, k, *spatial)."""
        terms = []
        for label in range(logits.shape[1]):
            target = torch.full_like(shares[:, 0], label, dtype=torch.int64)
            terms.append(shares[:, label] * self.terms(logits, target))
        return torch.stack(terms).sum(dim=0)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits (n, k, *spatial) to probabilities that sum to 1 over the classes."""
        return logits.softmax(dim=1)

    def advance(self, progress: float) -> None:
        """Set the finished share of the training, 0 to 1; most losses ignore it.

        It is called before a step and may repeat a value.
        """


Counts = Tensor | Sequence[int] | NDArray[np.integer]


def class_counts(counts: Counts) -> Tensor:
    """Return the images of each class (k,) as a tensor of floats, from numbers of any kind.

    Raises:
        DataError: Fewer than two classes, or a class without an image.

    >>> class_counts([60, 20])
    tensor([60., 20.])
    """
    numbers = torch.as_tensor(counts)
    if numbers.ndim != 1 or len(numbers) < 2 or not (numbers > 0).all():
        raise DataError(
            f"Expected counts of at least 2 classes, none of them empty, got {numbers.tolist()}."
        )
    return numbers if numbers.is_floating_point() else numbers.to(torch.float32)


@dataclass(frozen=True)
class LossFactory:
    """A row of `equipoise.losses.LOSSES`: builds a loss from class counts.

    Attributes:
        name: Its name in the table.
        summary: One line for users.
        build: Class counts (k,) float32 -> loss.
        source: Author and year of its definition.
        head: Last layer that the loss is meant for; one of `equipoise.networks.heads.HEADS`.
        counts_real: Whether only real images are counted; other losses count synthetic ones, too.
        rebalances: Whether it finds more of a rare class that overlaps with a frequent one.
        cross_entropy_if_balanced: Whether it equals cross-entropy where all counts are equal.

    Example:
        >>> from equipoise.losses import LOSSES
        >>> loss = LOSSES["class_weights"](torch.tensor([30, 10]))
        >>> loss(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1]))
        tensor(0.7355)
    """

    name: str
    summary: str
    build: Callable[[Tensor], ImbalanceLoss]
    source: str
    head: str = "linear"
    counts_real: bool = False
    rebalances: bool = True
    cross_entropy_if_balanced: bool = True

    def __call__(self, counts: Counts) -> ImbalanceLoss:
        """Build the loss for class counts (k,) of the training data.

        Raises:
            DataError: Fewer than two classes, or a class without an image.
        """
        return self.build(class_counts(counts).to(torch.float32))
