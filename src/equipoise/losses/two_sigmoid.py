"""A sigmoid for each class."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from equipoise.losses.base import ImbalanceLoss, LossFactory


class TwoSigmoid(ImbalanceLoss):
    """Binary cross-entropy of each class against the rest, averaged over any number of classes.

    It rebalances nothing: it is the loss with which Sun and Li train a ResNet-18 with two outputs
    for two classes.

    Source: Sun and Li (paper S2 in docs/methods.md). Difference: the sigmoids of an item need not
    sum to 1, so they are divided by their sum, which keeps their order.

    Example:
        >>> loss = TwoSigmoid()
        >>> loss.terms(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.6931])
    """

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the mean over the classes of the binary cross-entropies of each item."""
        one_hot = torch.zeros_like(logits).scatter(1, target.unsqueeze(1), 1.0)
        return binary_cross_entropy_with_logits(logits, one_hot, reduction="none").mean(dim=1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Compute sigmoids divided by their sum, in logarithms so that all of them may be tiny."""
        return logsigmoid(logits).softmax(dim=1)


TWO_SIGMOID = LossFactory(
    name="two_sigmoid",
    summary="A sigmoid for each class in place of one softmax; every image counts the same.",
    build=lambda _counts: TwoSigmoid(),
    source="Sun and Li (paper S2)",
    rebalances=False,
    cross_entropy_if_balanced=False,
)
