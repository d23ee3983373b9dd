"""What every loss obeys: `for check in LOSS_CONTRACT: check(factory)`."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

Factory = Callable[[Tensor], torch.nn.Module]
COUNTS = torch.tensor([70, 20, 10])
SHAPES = ((), (5,), (4, 3), (2, 3, 4))  # none, a line, an image, a volume


def gives_a_scalar_for_any_space(factory: Factory) -> None:
    """Logits (n, k, *spatial) and a target (n, *spatial) give one finite number with a gradient."""
    for shape in SHAPES:
        logits, target = _batch(shape)
        value = factory(COUNTS)(logits, target)
        assert value.shape == (), f"expected a scalar for spatial shape {shape}, got {tuple(value.shape)}"
        _finite_with_gradient(value, logits)


def equals_cross_entropy_when_classes_are_equal(factory: Factory) -> None:
    """Where no class is rarer than another there is nothing to rebalance."""
    for shape in SHAPES:
        logits, target = _batch(shape)
        torch.testing.assert_close(factory(torch.tensor([7, 7, 7]))(logits, target), cross_entropy(logits, target))


def is_finite_at_huge_logits(factory: Factory) -> None:
    """Logits of 1e4, for the right and for the wrong class, give a finite value and gradient in float32."""
    for right in (1e4, -1e4):
        logits = torch.full((3, 3), -right)
        logits[torch.arange(3), torch.arange(3)] = right
        logits.requires_grad_()
        _finite_with_gradient(factory(COUNTS)(logits, torch.arange(3)), logits)


def follows_a_permutation_of_classes(factory: Factory) -> None:
    """Renaming the classes everywhere changes nothing."""
    logits, target = _batch((4, 3))
    order = torch.tensor([2, 0, 1])
    renamed = factory(COUNTS[order])(logits[:, order], torch.argsort(order)[target])
    torch.testing.assert_close(renamed, factory(COUNTS)(logits, target))


def lives_on_one_device_with_its_counts(factory: Factory) -> None:
    """Nothing that depends on the counts stays behind when the module moves: all tensors are buffers."""
    module = factory(COUNTS).to("meta")
    logits, target = _batch(())
    assert module(logits.to("meta"), target.to("meta")).device.type == "meta", "a tensor is not a buffer"


LOSS_CONTRACT: tuple[Callable[[Factory], None], ...] = (
    gives_a_scalar_for_any_space,
    equals_cross_entropy_when_classes_are_equal,
    is_finite_at_huge_logits,
    follows_a_permutation_of_classes,
    lives_on_one_device_with_its_counts,
)


def _batch(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, *shape, generator=generator).requires_grad_()
    return logits, torch.randint(3, (6, *shape), generator=generator)


def _finite_with_gradient(value: Tensor, logits: Tensor) -> None:
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value), f"expected a finite loss, got {value}"
    assert torch.isfinite(gradient).all(), "expected a finite gradient"
    assert gradient.abs().sum() > 0 or value == 0, "expected a gradient where the loss is not zero"
