"""Label-distribution-aware margins, and re-weighting deferred to the end of the training."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.class_balanced import class_balanced_weights

DEFERRED = 0.8  # share of the training after which the weights come in


class LDAM(ImbalanceLoss):
    """Cross-entropy of s (l - m_t e_t): the true class must win by a margin, the larger the rarer it is.

    Args:
        counts: (k,) images of each class.
        scale: s; 30 is meant for cosines (a "cosine" head). With a linear head use 1, a variant and not the method.
        largest_margin: Margin of the rarest class; the others follow n_k^(-1/4).

    Margins part the gap between classes that a network tells apart. Where classes overlap both sides violate their
    margins and the border stays where cross-entropy has it: only the weights of `DeferredLDAM` move it. Without
    batch normalization (small_cnn) the cosines of all images are nearly equal at first, and learning takes many
    more steps than with a linear head.

    Source: methods 2.3 (Cao et al. 2019). Margins are for the training only: probabilities are softmax(s l).
    """

    margins: Tensor
    weights: Tensor

    def __init__(self, counts: Tensor, *, scale: float = 30.0, largest_margin: float = 0.5) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("margins", ldam_margins(counts, largest_margin))
        self.register_buffer("weights", torch.ones_like(counts))

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give w_t CE(s (l - m_t e_t), t) of each item."""
        margins = self.margins[target].unsqueeze(1)
        reduced = logits.scatter_add(1, target.unsqueeze(1), -margins)
        return cross_entropy(self.scale * reduced, target, weight=self.weights, reduction="none")

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give softmax(s l): the margins are for the training only."""
        return (self.scale * logits).softmax(dim=1)


class DeferredLDAM(LDAM):
    """LDAM whose classes weigh alike for 80 % of the training and by their effective number afterwards.

    Arguments are those of `LDAM`.

    Source: methods 2.3 (Cao et al. 2019, DRW). Theirs switches after 160 of 200 epochs, where the learning rate
    drops, and divides by the summed weights of a batch; ours switches after the same share of the steps whatever
    the schedule and divides by the number of items (methods 2).
    """

    later_weights: Tensor

    def __init__(self, counts: Tensor, *, scale: float = 30.0, largest_margin: float = 0.5) -> None:
        super().__init__(counts, scale=scale, largest_margin=largest_margin)
        self.register_buffer("later_weights", class_balanced_weights(counts))

    def advance(self, progress: float) -> None:
        """Weigh classes from 80 % of the training on."""
        weights = self.later_weights if progress >= DEFERRED else torch.ones_like(self.weights)
        self.weights.copy_(weights)


def ldam_margins(counts: Tensor, largest: float = 0.5) -> Tensor:
    """Give margins proportional to n_k^(-1/4) whose largest is as asked.

    Source: methods 2.3; counts (1727, 294) give (0.321169, 0.5).
    """
    return largest * (counts.min() / counts) ** 0.25


LDAM_LOSS = LossFactory(
    name="ldam",
    summary="The true class must win by a margin, the larger the rarer it is.",
    build=LDAM,
    source="methods 2.3 (Cao et al. 2019)",
    head="cosine",
)

LDAM_DRW = LossFactory(
    name="ldam_drw",
    summary="ldam, with the weights of class_balanced in the last fifth of the training.",
    build=DeferredLDAM,
    source="methods 2.3 (Cao et al. 2019)",
    head="cosine",
)
