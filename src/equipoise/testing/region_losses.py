"""The contract of losses of label maps: `for check in REGION_LOSS_CONTRACT: check(factory)`."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from equipoise.losses.regions import DenseLoss

Factory = Callable[[Tensor], DenseLoss]
COUNTS = torch.tensor([70, 20, 10])
CERTAIN = 30.0  # logit of a pixel that is practically certain in float32


def does_not_depend_on_the_order_of_pixels(factory: Factory) -> None:
    """Neither the order of pixels nor their grouping into patches matters."""
    logits, target = _batch()
    order = torch.randperm(target.numel(), generator=torch.Generator().manual_seed(1))
    shuffled = logits.movedim(1, -1).reshape(-1, 3)[order].T.unsqueeze(0).unsqueeze(-1)
    value = factory(COUNTS)(shuffled, target.view(1, -1, 1)[:, order])
    torch.testing.assert_close(value, factory(COUNTS)(logits, target))


def is_least_for_a_perfect_prediction(factory: Factory) -> None:
    """No other prediction costs less, also where a class is absent; one wrong pixel costs more."""
    logits, target = _batch()
    for true in (target, torch.where(target == 2, 1, target)):
        loss = factory(COUNTS)
        least = loss(_certain(true), true)
        row, y, x = torch.nonzero(true > 0)[0].tolist()
        wrong = true.clone()
        wrong[row, y, x] = 0
        for other in (logits, 3 * logits, _certain(wrong), torch.zeros_like(logits)):
            assert loss(other, true) > least, f"another prediction costs no more than {least}"


def ignores_pixels_without_a_class(factory: Factory) -> None:
    """Predictions where the target is -1, even infinite ones, have no effect and no gradient."""
    logits, target = _batch()
    ignored = (target < 0).unsqueeze(1).expand_as(logits)
    other = logits.detach().masked_fill(ignored, torch.inf).requires_grad_()
    loss = factory(COUNTS)
    value = loss(other, target)
    assert torch.equal(value, loss(logits, target)), "a pixel with target -1 changed the value"
    (gradient,) = torch.autograd.grad(value, other)
    assert torch.isfinite(gradient).all(), "expected a finite gradient"
    assert (gradient[ignored] == 0).all(), "expected no gradient where the target is -1"
    (nothing,) = torch.autograd.grad(loss(other, torch.full_like(target, -1)), other)
    assert (nothing == 0).all(), "expected no gradient where no pixel has a class"


def is_finite_with_its_gradient(factory: Factory) -> None:
    """Value and gradient are finite for logits of 1e4, right or wrong, and for absent classes."""
    logits, target = _batch()
    for true in (target, torch.where(target == 2, 0, target), torch.zeros_like(target)):
        for scale in (0.0, 1.0, 1e4, -1e4):
            guess = (scale * (_certain(true) / CERTAIN + 0.1 * logits)).detach().requires_grad_()
            value = factory(COUNTS)(guess, true)
            (gradient,) = torch.autograd.grad(value, guess)
            assert value.shape == (), f"expected a scalar, got {tuple(value.shape)}"
            assert torch.isfinite(value), f"{value} at logits of {scale}"
            assert torch.isfinite(gradient).all(), f"gradient at logits of {scale}"


def has_the_gradient_of_its_value(factory: Factory) -> None:
    """Numerical and automatic gradients agree in float64."""
    logits, target = _batch(side=2)
    loss = factory(COUNTS).double()
    assert torch.autograd.gradcheck(lambda values: loss(values, target), logits.double())


def favors_the_true_class(factory: Factory) -> None:
    """From zero logits, a small gradient step raises the mean probability of the true class."""
    _, target = _batch()
    logits = torch.zeros(*target.shape, 3).movedim(-1, 1).requires_grad_()
    loss = factory(COUNTS)
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    true = one_hot(target.clamp_min(0), 3).movedim(-1, 1) * (target >= 0).unsqueeze(1)
    gain = (-gradient * true).sum()
    assert gain > 0, f"the true classes gain {gain}"


REGION_LOSS_CONTRACT: tuple[Callable[[Factory], None], ...] = (
    does_not_depend_on_the_order_of_pixels,
    is_least_for_a_perfect_prediction,
    ignores_pixels_without_a_class,
    is_finite_with_its_gradient,
    has_the_gradient_of_its_value,
    favors_the_true_class,
)


def _batch(side: int = 5) -> tuple[Tensor, Tensor]:
    """Return logits (4, 3, side, side) and targets (4, side, side), some of them -1 (ignored)."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, side, side, generator=generator).requires_grad_()
    return logits, torch.randint(-1, 3, (4, side, side), generator=generator)


def _certain(target: Tensor) -> Tensor:
    """Return logits that are certain of the target, and of class 0 where it is ignored."""
    return CERTAIN * one_hot(target.clamp_min(0), 3).movedim(-1, 1).float()
