"""Logits moved by the class frequencies: while learning (balanced softmax) or afterwards. One or the other."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.cross_entropy import CrossEntropy


class LogitAdjustment(ImbalanceLoss):
    """Cross-entropy of l + tau log pi: the network learns logits for classes that are equally frequent.

    Args:
        counts: (k,) images of each class; pi are their shares.
        tau: 1 is balanced softmax, 0 cross-entropy.

    pi must be the shares that the batches are drawn with: not to be combined with a balanced batch sampler.

    Source: methods 2.5 (Menon et al. 2021; tau = 1: Ren et al. 2020).
    """

    offsets: Tensor

    def __init__(self, counts: Tensor, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("offsets", _offsets(counts, tau))

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give CE(l + tau log pi, t) of each item."""
        return cross_entropy(
            logits + _along_classes(self.offsets, logits), target, reduction="none"
        )


class PosthocLogitAdjustment(CrossEntropy):
    """Plain cross-entropy to learn from, and softmax(l - tau log pi) to predict with.

    Arguments and the warning about batch samplers are those of `LogitAdjustment`.

    Source: methods 2.5 (Menon et al. 2021). With tau = 1 this divides the probabilities by the class shares of
    the training, so that decisions change and the ranking within two classes does not.
    """

    offsets: Tensor

    def __init__(self, counts: Tensor, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("offsets", _offsets(counts, tau))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Give softmax(l - tau log pi)."""
        return (logits - _along_classes(self.offsets, logits)).softmax(dim=1)


def _offsets(counts: Tensor, tau: float) -> Tensor:
    return tau * (counts / counts.sum()).log()


def _along_classes(values: Tensor, logits: Tensor) -> Tensor:
    """Shape (k,) so that it meets the class axis of (n, k, *spatial)."""
    return values.view(-1, *[1] * (logits.ndim - 2))


BALANCED_SOFTMAX = LossFactory(
    name="balanced_softmax",
    summary="Logits learn with the log of the class shares added, so that without it they favor no class.",
    build=LogitAdjustment,
    source="methods 2.5 (Ren et al. 2020; Menon et al. 2021 with tau 1)",
)

POSTHOC_LOGIT_ADJUSTMENT = LossFactory(
    name="posthoc_logit_adjustment",
    summary="Learns as cross_entropy; predictions are divided by the class shares of the training.",
    build=PosthocLogitAdjustment,
    source="methods 2.5 (Menon et al. 2021, tau 1)",
)
