"""Focal loss: images that are classified well count less."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.exceptions import SettingError
from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.class_balanced import class_balanced_weights


class Focal(ImbalanceLoss):
    """Focal loss -w_t (1 - p_t)^gamma log p_t of an item of class t.

    Its probabilities are less confident than those of cross-entropy.

    Args:
        gamma: At least 0; 0 is cross-entropy.
        weights: (k,) weight of each class, or None for equal ones.

    Raises:
        SettingError: A negative gamma.

    Source: Lin et al. (2017), Eq. 4, and Eq. 5 for the class weights. Differences: a softmax
    replaces their sigmoids. The class weight stands outside the modulating factor, as theirs; the
    code of Cao et al. (2019) computes p_t from the weighted cross-entropy instead.

    Example:
        >>> loss = Focal(gamma=2.0)
        >>> loss.terms(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
        tensor([0.0227])
    """

    weights: Tensor | None

    def __init__(self, gamma: float = 2.0, weights: Tensor | None = None) -> None:
        super().__init__()
        if gamma < 0:
            raise SettingError(f"Expected a gamma of at least 0, got {gamma}.")
        self.gamma = gamma
        self.register_buffer("weights", weights)

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each item; 1 - p_t is the exact sum over the other classes."""
        log_wrong = logits.log_softmax(dim=1).scatter(1, target.unsqueeze(1), -torch.inf)
        factor = (self.gamma * log_wrong.logsumexp(dim=1)).exp()  # (1 - p_t)^gamma
        return factor * cross_entropy(logits, target, weight=self.weights, reduction="none")


FOCAL = LossFactory(
    name="focal",
    summary="An image that is classified well counts less, gamma 2; no class counts more.",
    build=lambda _counts: Focal(),
    source="Lin et al. (2017), Eq. 4",
    rebalances=False,
    cross_entropy_if_balanced=False,
)

CLASS_BALANCED_FOCAL = LossFactory(
    name="class_balanced_focal",
    summary="Focal loss with the weights of class_balanced.",
    build=lambda counts: Focal(weights=class_balanced_weights(counts)),
    source="Cui et al. (2019)",
    cross_entropy_if_balanced=False,
)
