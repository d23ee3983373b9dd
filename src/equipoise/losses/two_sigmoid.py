"""A sigmoid for each class."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from equipoise.losses.base import ImbalanceLoss, LossFactory


class TwoSigmoid(ImbalanceLoss):
    """Binary cross-entropy of each class against the rest, averaged over the classes.

    It rebalances nothing; it is what paper S2 trains its ResNet18 with, two outputs for two classes. Any number of
    classes will do.

    Source: methods 2.1 (paper S2). The sigmoids of an item need not sum to 1; ours are divided by their sum, which
    keeps their order and makes them probabilities.
    """

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the mean over the classes of each item's binary cross-entropies."""
        one_hot = torch.zeros_like(logits).scatter(1, target.unsqueeze(1), 1.0)
        return binary_cross_entropy_with_logits(logits, one_hot, reduction="none").mean(dim=1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give sigmoids divided by their sum; in logarithms, so that all may be tiny."""
        return logsigmoid(logits).softmax(dim=1)


TWO_SIGMOID = LossFactory(
    name="two_sigmoid",
    summary="A sigmoid for each class in place of one softmax; every image counts the same.",
    build=lambda _counts: TwoSigmoid(),
    source="methods 2.1 (paper S2)",
)
