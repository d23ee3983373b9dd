"""Cross-entropy, plain and with a weight for each class."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import ImbalanceLoss, LossFactory


class CrossEntropy(ImbalanceLoss):
    """Softmax cross-entropy whose terms are weighted by their class: -w_t log p_t.

    Args:
        weights: (k,) weight of each class, or None for equal ones.

    Source: Sun and Li (paper S2 in docs/methods.md) for the weighted form. They print the indices
    of the two weights swapped; here the weight of an image is that of its own class. The mean
    divides by the number of images, see `ImbalanceLoss.forward`.

    Example:
        >>> import torch
        >>> loss = CrossEntropy(torch.tensor([0.5, 2.0]))
        >>> loss.terms(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor([0.3466, 1.3863])
    """

    weights: Tensor | None

    def __init__(self, weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute -w_t log p_t for the true class t of each item."""
        return cross_entropy(logits, target, weight=self.weights, reduction="none")


def class_weights(counts: Tensor) -> Tensor:
    """Compute class weights n / (k n_j), as scikit-learn's class_weight="balanced" does.

    Every class then contributes equally, and the weights of all images sum to n.

    Source: Sun and Li (paper S2).

    Example:
        >>> import torch
        >>> class_weights(torch.tensor([4385.0, 1460.0]))
        tensor([0.6665, 2.0017])
    """
    return counts.sum() / (len(counts) * counts)


CROSS_ENTROPY = LossFactory(
    name="cross_entropy",
    summary="Every image counts the same.",
    build=lambda _counts: CrossEntropy(),
    source="Definition",
    rebalances=False,
)

CLASS_WEIGHTS = LossFactory(
    name="class_weights",
    summary="Every class counts the same: an image weighs n / (k n_j).",
    build=lambda counts: CrossEntropy(class_weights(counts)),
    source="Sun and Li (paper S2), with the indices of the weights corrected",
)
