"""Label-distribution-aware margins, and re-weighting deferred to the end of the training."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import Counts, ImbalanceLoss, LossFactory, class_counts
from equipoise.losses.class_balanced import class_balanced_weights

DEFERRED = 0.8  # share of the training after which classes are weighted


class LDAM(ImbalanceLoss):
    """Cross-entropy of s (l - m_t e_t): the true class must win by a margin, larger if it is rare.

    Margins divide the gap between classes that a network separates. Where classes overlap, both
    violate their margins and the border stays where cross-entropy puts it: only the weights of
    `DeferredLDAM` move it. Without batch normalization (small_cnn), the cosines of all images are
    nearly equal at first, and learning takes many more steps than with a linear head.

    Args:
        counts: (k,) images of each class.
        scale: s; 30 is meant for the cosines of a "cosine" head. With a linear head use 1, which is
            a variant and not the method.
        largest_margin: Margin of the rarest class; the others follow n_k^(-1/4).

    Source: Cao et al. (2019), "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss". Margins apply to training only: probabilities are softmax(s l).

    Example:
        >>> loss = LDAM(torch.tensor([1727.0, 294.0]))
        >>> cosines = torch.tensor([[0.6, 0.2], [0.1, 0.7]])
        >>> loss.terms(cosines, torch.tensor([0, 1]))
        tensor([0.0898, 0.0486])
    """

    margins: Tensor
    weights: Tensor

    def __init__(self, counts: Counts, *, scale: float = 30.0, largest_margin: float = 0.5) -> None:
        super().__init__()
        self.scale = scale
        counts = class_counts(counts)
        self.register_buffer("margins", ldam_margins(counts, largest_margin))
        self.register_buffer("weights", torch.ones_like(counts))

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute w_t CE(s (l - m_t e_t), t) of each item."""
        margins = self.margins[target].unsqueeze(1)
        reduced = logits.scatter_add(1, target.unsqueeze(1), -margins)
        return cross_entropy(self.scale * reduced, target, weight=self.weights, reduction="none")

    def probabilities(self, logits: Tensor) -> Tensor:
        """Compute softmax(s l), without margins."""
        return (self.scale * logits).softmax(dim=1)


class DeferredLDAM(LDAM):
    """LDAM that weights classes by their effective number in the last fifth of the training (DRW).

    Args:
        counts: (k,) images of each class.
        scale: See `LDAM`.
        largest_margin: See `LDAM`.

    Source: Cao et al. (2019), Algorithm 1. Differences: theirs switches after 160 of 200 epochs,
    where the learning rate drops, and divides by the sum of the weights in a batch; this one
    switches after the same share of the steps, whatever the schedule, and divides by the number
    of items.
    """

    later_weights: Tensor

    def __init__(self, counts: Counts, *, scale: float = 30.0, largest_margin: float = 0.5) -> None:
        super().__init__(counts, scale=scale, largest_margin=largest_margin)
        self.register_buffer("later_weights", class_balanced_weights(class_counts(counts)))

    def advance(self, progress: float) -> None:
        """Weight classes once 80 % of the training are done."""
        weights = self.later_weights if progress >= DEFERRED else torch.ones_like(self.weights)
        self.weights.copy_(weights)


def ldam_margins(counts: Tensor, largest: float = 0.5) -> Tensor:
    """Compute margins (k,) proportional to n_k^(-1/4) with a given maximum.

    Source: Cao et al. (2019); they leave the constant free, their code fixes the maximum, too.

    Example:
        >>> ldam_margins(torch.tensor([1727.0, 294.0]))
        tensor([0.3212, 0.5000])
    """
    return largest * (counts.min() / counts) ** 0.25


LDAM_LOSS = LossFactory(
    name="ldam",
    summary="The true class must win by a margin, larger if it is rare.",
    build=LDAM,
    source="Cao et al. (2019)",
    head="cosine",
    rebalances=False,
    cross_entropy_if_balanced=False,
)

LDAM_DRW = LossFactory(
    name="ldam_drw",
    summary="ldam, with the weights of class_balanced in the last fifth of the training.",
    build=DeferredLDAM,
    source="Cao et al. (2019)",
    head="cosine",
    cross_entropy_if_balanced=False,
)
