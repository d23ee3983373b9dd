"""Cross-entropy, plain and with a weight for each class."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import ImbalanceLoss, LossFactory


class CrossEntropy(ImbalanceLoss):
    """Softmax cross-entropy whose terms are weighted by their class.

    Args:
        weights: (k,) weight of each class, or None for equal ones.

    Source: methods 2.1 (paper S2), the corrected form: the weight of an image is that of its own class.
    """

    weights: Tensor | None

    def __init__(self, weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give -w_t log p_t for the true class t of each item."""
        return cross_entropy(logits, target, weight=self.weights, reduction="none")


def class_weights(counts: Tensor) -> Tensor:
    """Weigh classes by n / (k n_j), so that each contributes alike and the weights of all images sum to n.

    Source: methods 2.1; counts (4385, 1460) give (0.666477, 2.001712).
    """
    return counts.sum() / (len(counts) * counts)


CROSS_ENTROPY = LossFactory(
    name="cross_entropy",
    summary="Every image counts the same.",
    build=lambda _counts: CrossEntropy(),
    source="methods 2",
)

CLASS_WEIGHTS = LossFactory(
    name="class_weights",
    summary="Every class counts the same: an image weighs n / (k n_j).",
    build=lambda counts: CrossEntropy(class_weights(counts)),
    source="methods 2.1 (paper S2)",
)
