"""Focal loss: what is classified well already counts less."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.exceptions import SettingError
from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.class_balanced import class_balanced_weights


class Focal(ImbalanceLoss):
    """Charges -w_t (1 - p_t)^gamma log p_t for an item of class t.

    Args:
        gamma: At least 0; 0 is cross-entropy.
        weights: (k,) weight of each class, or None for equal ones.

    Raises:
        SettingError: A negative gamma.

    Source: methods 2.4 (Lin et al. 2017), with softmax in place of their sigmoids. The class weight stands outside
    the modulating factor; the reference code of LDAM takes p_t from the weighted cross-entropy instead. Its softmax
    is pulled towards the middle, so its probabilities are less sure than those of cross-entropy.
    """

    weights: Tensor | None

    def __init__(self, gamma: float = 2.0, weights: Tensor | None = None) -> None:
        super().__init__()
        if gamma < 0:
            raise SettingError(f"Expected a gamma of at least 0, got {gamma}.")
        self.gamma = gamma
        self.register_buffer("weights", weights)

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each item; log(1 - p_t) is summed from the other classes, exact for any logits."""
        others = logits.log_softmax(dim=1).scatter(1, target.unsqueeze(1), -torch.inf)
        factor = (self.gamma * others.logsumexp(dim=1)).exp()
        return factor * cross_entropy(logits, target, weight=self.weights, reduction="none")


FOCAL = LossFactory(
    name="focal",
    summary="An image that is classified well counts less, gamma 2; no class counts more.",
    build=lambda _counts: Focal(),
    source="methods 2.4 (Lin et al. 2017)",
)

CLASS_BALANCED_FOCAL = LossFactory(
    name="class_balanced_focal",
    summary="Focal loss with the weights of class_balanced.",
    build=lambda counts: Focal(weights=class_balanced_weights(counts)),
    source="methods 2.4 (Cui et al. 2019)",
)
