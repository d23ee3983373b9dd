"""Class weights from the effective number of images."""

from torch import Tensor

from equipoise.losses.base import LossFactory
from equipoise.losses.cross_entropy import CrossEntropy

BETA = 0.9999


def class_balanced_weights(counts: Tensor, beta: float = BETA) -> Tensor:
    """Compute class weights 1 / E_k, E_k = (1 - beta^n_k) / (1 - beta), rescaled to the sum k.

    Args:
        counts: (k,) images of each class.
        beta: In [0, 1); 0 weights all classes equally, values near 1 weight by inverse frequency.

    Returns:
        (k,) weights.

    Source: Cui et al. (2019), "Class-Balanced Loss Based on Effective Number of Samples".

    See Also:
        `cross_entropy.class_weights`: inverse frequency, which differs more between the classes.

    Example:
        >>> import torch
        >>> class_balanced_weights(torch.tensor([1727.0, 294.0]))
        tensor([0.3089, 1.6911])
    """
    # in double precision: where n is small, beta^n equals 1 to seven digits
    weights = 1 / (1 - beta ** counts.double())
    return (weights * len(counts) / weights.sum()).to(counts.dtype)


CLASS_BALANCED = LossFactory(
    name="class_balanced",
    summary="A class counts by its effective number of images: less than inverse frequency.",
    build=lambda counts: CrossEntropy(class_balanced_weights(counts)),
    source="Cui et al. (2019)",
)
