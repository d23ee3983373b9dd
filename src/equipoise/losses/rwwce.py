"""Real-world-weight cross-entropy: a price for missing each class and for raising each wrong one."""

import torch
from torch import Tensor

from equipoise.exceptions import SettingError
from equipoise.losses.base import ImbalanceLoss, LossFactory


class RealWorldWeightCrossEntropy(ImbalanceLoss):
    """Charges -w_fn[t] log p_t - sum over k != t of W_fp[t, k] log(1 - p_k) for an item of class t.

    Args:
        w_fn: (k,) price of missing each class, at least 0.
        W_fp: (k, k) price of raising class k (column) where class t (row) is true, at least 0, zero diagonal;
            None for none, which leaves class-weighted cross-entropy.
        divide_by_classes: Divide by k too, which is the scale of the reference implementation.

    With two classes 1 - p of the one is p of the other: the loss is then cross-entropy with the class weights
    `w_fn + W_fp.sum(dim=1)`, and the matrix says something of its own for three classes or more only.
    A mean weight far from 1 acts like another learning rate.

    Raises:
        SettingError: Weights of another shape, negative, not finite, or a price on the diagonal.

    Source: methods 2.2 (paper S0; Ho & Wookey 2020). Their code clips p to [1e-7, 1 - 1e-7]; here log(1 - p_k) is
    the log-sum-exp of the other log-probabilities, exact for any logits.
    """

    w_fn: Tensor
    W_fp: Tensor

    def __init__(
        self, w_fn: Tensor, W_fp: Tensor | None = None, *, divide_by_classes: bool = False
    ) -> None:
        super().__init__()
        W_fp = torch.zeros(w_fn.numel(), w_fn.numel()) if W_fp is None else W_fp
        _check_prices(w_fn, W_fp)
        self.register_buffer("w_fn", w_fn)
        self.register_buffer("W_fp", W_fp)
        self.divisor = len(w_fn) if divide_by_classes else 1

    def terms(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the price of each item; memory grows with the square of the number of classes."""
        log_p = logits.log_softmax(dim=1).movedim(1, -1)
        of_true = log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        missed = self.w_fn[target] * of_true
        raised = (self.W_fp[target] * log_one_minus(log_p)).sum(dim=-1)
        return -(missed + raised) / self.divisor


def log_one_minus(log_p: Tensor) -> Tensor:
    """Turn log-probabilities (..., k) into log(1 - p) of each class, finite wherever they are finite."""
    k = log_p.shape[-1]
    own = torch.eye(k, dtype=torch.bool, device=log_p.device)
    return (
        log_p.unsqueeze(-2).expand(*log_p.shape, k).masked_fill(own, -torch.inf).logsumexp(dim=-1)
    )


def ratio_weights(counts: Tensor) -> Tensor:
    """Weigh classes by max n / n_k: 1 for the largest, counts (1727, 294) give 5.874 for the smaller."""
    return counts.max() / counts


def _check_prices(w_fn: Tensor, W_fp: Tensor) -> None:
    k = w_fn.numel()
    if k < 2 or w_fn.shape != (k,) or W_fp.shape != (k, k):
        shapes = f"{tuple(w_fn.shape)} and {tuple(W_fp.shape)}"
        raise SettingError(
            f"Expected w_fn (k,) and W_fp (k, k) for k of at least 2 classes, got {shapes}."
        )
    for name, prices in (("w_fn", w_fn), ("W_fp", W_fp)):
        if not bool((prices.isfinite() & (prices >= 0)).all()):
            raise SettingError(
                f"Expected finite weights of at least 0 in {name}, got {prices.tolist()}."
            )
    if bool(W_fp.diagonal().any()):
        raise SettingError(
            f"Expected a zero diagonal in W_fp, got {W_fp.diagonal().tolist()}. To raise the true class is no "
            "error; what missing it costs belongs into w_fn."
        )


RWWCE_REAL = LossFactory(
    name="rwwce_real",
    summary="The same priced by the real images, even where synthetic ones have filled the classes up.",
    build=lambda counts: RealWorldWeightCrossEntropy(ratio_weights(counts)),
    source="methods 2.2: paper S0 keeps its weights on the extended set, where they over-compensate",
    counts_real=True,
)

RWWCE = LossFactory(
    name="rwwce",
    summary="Missing a class costs max n / n_k: class_weights on another scale.",
    build=lambda counts: RealWorldWeightCrossEntropy(ratio_weights(counts)),
    source='methods 2.2 (paper S0), preset "ratio" without prices for wrong classes: S0 does not print its weights',
)
