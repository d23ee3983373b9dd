"""Logits shifted by the class frequencies: in training (balanced softmax) or afterwards."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import Counts, ImbalanceLoss, LossFactory, class_counts
from equipoise.losses.cross_entropy import CrossEntropy


class LogitAdjustment(ImbalanceLoss):
    """Cross-entropy of l + tau log pi: the network learns logits for equally frequent classes.

    pi must be the class shares in the batches: do not combine it with a balanced batch sampler.

    Args:
        counts: (k,) images of each class; pi are their shares.
        tau: 1 is balanced softmax, 0 is cross-entropy.

    Source: Menon et al. (2021), Eq. 10; for tau = 1 the balanced softmax of Ren et al. (2020).

    See Also:
        `PosthocLogitAdjustment`: the same shift after the training. Use one of the two.

    Example:
        >>> import torch
        >>> loss = LogitAdjustment(torch.tensor([1727.0, 294.0]))
        >>> loss.terms(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        tensor([0.0607, 1.1509])
    """

    offsets: Tensor

    def __init__(self, counts: Counts, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("offsets", _offsets(class_counts(counts), tau))

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute CE(l + tau log pi, t) of each item."""
        return cross_entropy(
            logits + _along_classes(self.offsets, logits), target, reduction="none"
        )


class PosthocLogitAdjustment(CrossEntropy):
    """Plain cross-entropy in training, softmax(l - tau log pi) in prediction.

    With tau = 1 this divides the probabilities by the class shares of the training: decisions
    change, the ranking of images within two classes does not.

    Args:
        counts: (k,) images of each class; pi are their shares.
        tau: 0 is cross-entropy.

    Source: Menon et al. (2021), Eq. 9.

    See Also:
        `LogitAdjustment`: the same shift in training. Use one of the two.

    Example:
        >>> import torch
        >>> loss = PosthocLogitAdjustment(torch.tensor([30.0, 10.0]))
        >>> loss.probabilities(torch.zeros(1, 2))
        tensor([[0.2500, 0.7500]])
    """

    offsets: Tensor

    def __init__(self, counts: Counts, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("offsets", _offsets(class_counts(counts), tau))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Compute softmax(l - tau log pi)."""
        return (logits - _along_classes(self.offsets, logits)).softmax(dim=1)


def _offsets(counts: Tensor, tau: float) -> Tensor:
    return tau * (counts / counts.sum()).log()


def _along_classes(values: Tensor, logits: Tensor) -> Tensor:
    """Reshape (k,) to broadcast along the class axis of (n, k, *spatial)."""
    return values.view(-1, *[1] * (logits.ndim - 2))


BALANCED_SOFTMAX = LossFactory(
    name="balanced_softmax",
    summary="Trains on logits plus the log of the class shares: plain logits favor no class.",
    build=LogitAdjustment,
    source="Ren et al. (2020); Menon et al. (2021), Eq. 10, tau 1",
)

POSTHOC_LOGIT_ADJUSTMENT = LossFactory(
    name="posthoc_logit_adjustment",
    summary="Trains as cross_entropy; predictions are divided by the class shares of the training.",
    build=PosthocLogitAdjustment,
    source="Menon et al. (2021), Eq. 9, tau 1",
)
