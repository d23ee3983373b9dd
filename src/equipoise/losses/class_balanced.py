"""Class weights from the effective number of images."""

from torch import Tensor

from equipoise.losses.base import LossFactory
from equipoise.losses.cross_entropy import CrossEntropy

BETA = 0.9999


def class_balanced_weights(counts: Tensor, beta: float = BETA) -> Tensor:
    """Weigh classes by 1 / E_k, E_k = (1 - beta^n_k) / (1 - beta), rescaled to the sum k.

    Args:
        counts: (k,) images of each class.
        beta: In [0, 1): 0 weighs all alike, near 1 by inverse frequency.

    Source: methods 2.4 (Cui et al. 2019); counts (1727, 294) give (0.308901, 1.691099).
    """
    weights = 1 / (
        1 - beta ** counts.double()
    )  # double: beta^n is 1 to seven digits where n is small
    return (weights * len(counts) / weights.sum()).to(counts.dtype)


CLASS_BALANCED = LossFactory(
    name="class_balanced",
    summary="A class counts by its effective number of images, beta 0.9999: less than inverse frequency.",
    build=lambda counts: CrossEntropy(class_balanced_weights(counts)),
    source="methods 2.4 (Cui et al. 2019)",
)
