"""Real-world-weight cross-entropy: a price for missing a class and for each wrong prediction."""

import torch
from torch import Tensor

from equipoise.exceptions import SettingError
from equipoise.losses.base import ImbalanceLoss, LossFactory


class RealWorldWeightCrossEntropy(ImbalanceLoss):
    """Loss -w_fn[t] log p_t - sum over k != t of W_fp[t, k] log(1 - p_k) of an item of class t.

    With two classes, 1 - p of one class is p of the other: the loss is then cross-entropy with the
    class weights `w_fn + W_fp.sum(dim=1)`, and the matrix adds nothing below three classes.
    A mean weight far from 1 acts like another learning rate.

    Args:
        w_fn: (k,) price of missing each class (a false negative), at least 0.
        W_fp: (k, k) price of predicting class k (column) where class t (row) is true, at least 0,
            zero diagonal. None for no prices, which leaves class-weighted cross-entropy.
        divide_by_classes: Whether to divide by k, too, as the reference implementation does.

    Raises:
        SettingError: Weights of another shape, negative, not finite, or a price on the diagonal.

    Source: Ho and Wookey (2020), "The Real-World-Weight Cross-Entropy Loss Function"; used by Kupas
    and Harangi (2021, paper S0). Difference: their code clips p to [1e-7, 1 - 1e-7]; here
    log(1 - p_k) is the log-sum-exp of the other log-probabilities, exact for any logits.

    Example:
        >>> prices = torch.tensor([[0.0, 1.0, 0.5], [2.0, 0.0, 3.0], [1.0, 1.0, 0.0]])
        >>> loss = RealWorldWeightCrossEntropy(torch.tensor([1.0, 5.0, 2.0]), prices)
        >>> logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 3.0]])
        >>> loss.terms(logits, torch.tensor([0, 1]))
        tensor([ 0.3126, 16.2913])
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
        """Compute the loss of each item; memory grows with the square of the number of classes."""
        log_p = logits.log_softmax(dim=1).movedim(1, -1)  # (n, *spatial, k)
        log_p_true = log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        false_negatives = self.w_fn[target] * log_p_true
        false_positives = (self.W_fp[target] * log_one_minus(log_p)).sum(dim=-1)
        return -(false_negatives + false_positives) / self.divisor


def log_one_minus(log_p: Tensor) -> Tensor:
    """Compute log(1 - p) of each class from all log-probabilities (..., k).

    The result is finite wherever the log-probabilities of the other classes are.

    Example:
        >>> log_one_minus(torch.tensor([0.7, 0.2, 0.1]).log()).exp()
        tensor([0.3000, 0.8000, 0.9000])
    """
    k = log_p.shape[-1]
    diagonal = torch.eye(k, dtype=torch.bool, device=log_p.device)
    of_others = log_p.unsqueeze(-2).expand(*log_p.shape, k).masked_fill(diagonal, -torch.inf)
    return of_others.logsumexp(dim=-1)


def ratio_weights(counts: Tensor) -> Tensor:
    """Compute class weights max n / n_k: 1 for the largest class.

    Example:
        >>> ratio_weights(torch.tensor([1727.0, 294.0]))
        tensor([1.0000, 5.8741])
    """
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
            f"Expected a zero diagonal in W_fp, got {W_fp.diagonal().tolist()}. Predicting the "
            "true class is not an error; put the cost of missing it into w_fn."
        )


RWWCE_REAL = LossFactory(
    name="rwwce_real",
    summary="rwwce priced by the real images only, even where synthetic ones balance the classes.",
    build=lambda counts: RealWorldWeightCrossEntropy(ratio_weights(counts)),
    source="Kupas and Harangi (2021) keep the weights on the extended set, which over-compensates",
    counts_real=True,
)

RWWCE = LossFactory(
    name="rwwce",
    summary="Missing a class costs max n / n_k: class_weights on another scale.",
    build=lambda counts: RealWorldWeightCrossEntropy(ratio_weights(counts)),
    source="Ho and Wookey (2020); weights are ours, Kupas and Harangi (2021) do not print theirs",
)
