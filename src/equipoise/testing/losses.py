"""The contract of every loss: `for check in LOSS_CONTRACT: check(factory)`."""

from collections.abc import Callable

import torch
from torch import Tensor

from equipoise.losses.base import ImbalanceLoss

Factory = Callable[[Tensor], ImbalanceLoss]
COUNTS = torch.tensor([70, 20, 10])
SHAPES = ((), (5,), (4, 3), (2, 3, 4))  # none, a line, an image, a volume
PROGRESS = (0.0, 0.5, 0.9, 1.0)


def gives_a_scalar_for_any_spatial_shape(factory: Factory) -> None:
    """Logits (n, k, *spatial) and targets (n, *spatial) give a finite scalar with a gradient."""
    for shape in SHAPES:
        logits, target = _batch(shape)
        value = factory(COUNTS)(logits, target)
        assert value.shape == (), f"not a scalar for spatial shape {shape}: {tuple(value.shape)}"
        _finite_with_gradient(value, logits)


def averages_terms_of_single_items(factory: Factory) -> None:
    """The value is the mean of the weighted terms, and a term depends on its own image only.

    Terms have shape (n, *spatial), weights (n,).
    """
    weights = torch.tensor([0.0, 1.0, 2.0, 0.5, 1.0, 3.0])
    for shape in SHAPES:
        loss = factory(COUNTS)
        logits, target = _batch(shape)
        terms = loss.terms(logits, target)
        assert terms.shape == target.shape, f"{tuple(terms.shape)} for {tuple(target.shape)}"
        torch.testing.assert_close(loss(logits, target), terms.mean())
        torch.testing.assert_close(loss(logits, target, torch.ones(6)), terms.mean())
        of_images = terms.reshape(6, -1).mean(dim=1)
        torch.testing.assert_close(loss(logits, target, weights), (of_images * weights).mean())
        torch.testing.assert_close(loss.terms(logits[2:3], target[2:3])[0], terms[2])


def treats_equally_frequent_classes_alike(factory: Factory) -> None:
    """With equal counts, neither their size nor the order of classes matters."""
    order = torch.tensor([2, 0, 1])
    for shape in SHAPES:
        logits, target = _batch(shape)
        few, many = factory(torch.tensor([7, 7, 7])), factory(torch.tensor([7000, 7000, 7000]))
        for progress in PROGRESS:
            few.advance(progress)
            many.advance(progress)
            terms = few.terms(logits, target)
            probabilities = few.probabilities(logits)
            torch.testing.assert_close(many.terms(logits, target), terms)
            torch.testing.assert_close(many.probabilities(logits), probabilities)
            permuted = logits[:, order]
            torch.testing.assert_close(few.terms(permuted, torch.argsort(order)[target]), terms)
            torch.testing.assert_close(few.probabilities(permuted), probabilities[:, order])


def never_favors_the_more_frequent_class(factory: Factory) -> None:
    """At equal logits a rare class costs at least as much and is at least as probable."""
    loss = factory(COUNTS)
    logits = torch.zeros(3, 3)
    for progress in PROGRESS:
        loss.advance(progress)
        terms = loss.terms(logits, torch.arange(3))
        probabilities = loss.probabilities(logits[:1])[0]
        assert (terms.diff() >= -1e-6).all(), f"a rarer class costs less: {terms} for {COUNTS}"
        assert (probabilities.diff() >= -1e-6).all(), f"rarer, less probable: {probabilities}"


def is_finite_at_huge_logits(factory: Factory) -> None:
    """Logits of 1e4, right or wrong, give a finite value and gradient in float32."""
    for right in (1e4, -1e4):
        logits = torch.full((3, 3), -right)
        logits[torch.arange(3), torch.arange(3)] = right
        logits.requires_grad_()
        _finite_with_gradient(factory(COUNTS)(logits, torch.arange(3)), logits)


def has_the_gradient_of_its_value(factory: Factory) -> None:
    """Numerical and automatic gradients agree in float64, at every stage of training."""
    loss = factory(COUNTS).double()
    logits, target = _batch((2,))
    # in (-1, 1), so that the softmax of a cosine loss is not saturated
    cosines = logits.detach().double().tanh().requires_grad_()
    for progress in PROGRESS:
        loss.advance(progress)
        assert torch.autograd.gradcheck(lambda values: loss.terms(values, target), cosines)


def follows_a_permutation_of_classes(factory: Factory) -> None:
    """Renumbering the classes everywhere changes nothing."""
    logits, target = _batch((4, 3))
    order = torch.tensor([2, 0, 1])
    loss = factory(COUNTS)
    permuted = factory(COUNTS[order])
    for progress in PROGRESS:
        loss.advance(progress)
        permuted.advance(progress)
        value = permuted(logits[:, order], torch.argsort(order)[target])
        torch.testing.assert_close(value, loss(logits, target))
        probabilities = permuted.probabilities(logits[:, order])
        torch.testing.assert_close(probabilities, loss.probabilities(logits)[:, order])


def gives_probabilities(factory: Factory) -> None:
    """Probabilities sum to 1 for any logits; raising a logit makes its class more probable."""
    loss = factory(COUNTS)
    for shape in SHAPES:
        logits = _batch(shape)[0].detach()
        probabilities = loss.probabilities(logits)
        assert probabilities.shape == logits.shape, tuple(probabilities.shape)
        for rows in (probabilities, loss.probabilities(1e4 * logits)):
            assert (rows >= 0).all(), "expected probabilities of at least 0"
            torch.testing.assert_close(rows.sum(dim=1), torch.ones_like(rows[:, 0]))
    for label in range(3):
        raised = torch.zeros(1, 3)
        raised[0, label] = 0.1
        gain = loss.probabilities(raised) - loss.probabilities(torch.zeros(1, 3))
        assert gain[0, label] > 0, (
            f"a higher logit of class {label} changed its probability by {gain}"
        )


def advances_by_progress_alone(factory: Factory) -> None:
    """The loss depends on the latest progress only, and the state dict restores it."""
    logits, target = _batch(())
    steps = factory(COUNTS)
    for progress in PROGRESS:
        steps.advance(progress)
        expected = steps.terms(logits, target)
        steps.advance(progress)
        jump = factory(COUNTS)
        jump.advance(progress)
        restored = factory(COUNTS)
        restored.load_state_dict(steps.state_dict())
        for loss in (steps, jump, restored):
            assert torch.equal(loss.terms(logits, target), expected), f"differs at {progress}"


def lives_on_one_device_with_its_counts(factory: Factory) -> None:
    """Everything derived from the counts moves with the module: all tensors are buffers."""
    loss = factory(COUNTS).to("meta")
    logits, target = (tensor.to("meta") for tensor in _batch((4, 3)))
    for progress in PROGRESS:
        loss.advance(progress)
        for value in (loss(logits, target), loss.probabilities(logits)):
            assert value.device.type == "meta", "a tensor is not a buffer"


def works_in_half_precision(factory: Factory) -> None:
    """Logits in bfloat16, as under autocast, and targets of any integer type are accepted."""
    logits, target = _batch((4,))
    loss = factory(COUNTS)
    expected = loss(logits.detach().bfloat16().float(), target)
    for kind in (torch.int32, torch.uint8):
        value = loss(logits.bfloat16(), target.to(kind))
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected)
    _finite_with_gradient(value, logits)


def reduces_and_ignores_as_torch_does(factory: Factory) -> None:
    """`reduction` and `ignore_index` work as in torch; where all is ignored, the mean is 0."""
    logits, target = _batch((4,))
    loss = factory(COUNTS)
    terms = loss(logits, target, reduction="none")
    torch.testing.assert_close(terms, loss.terms(logits, target))
    torch.testing.assert_close(loss(logits, target, reduction="sum"), terms.sum())
    ignored = torch.arange(4).expand(6, 4) % 2 == 0
    part = loss(logits, target.masked_fill(ignored, -100), ignore_index=-100)
    torch.testing.assert_close(part, terms[~ignored].mean())
    nothing = loss(logits, torch.full_like(target, -100), ignore_index=-100)
    assert nothing == 0, f"expected 0 without an item, got {nothing}"


def averages_over_shares_of_classes(factory: Factory) -> None:
    """Shares of classes average the terms of the classes; certain ones are the classes."""
    logits, target = _batch((4,))
    loss = factory(COUNTS)
    certain = torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    torch.testing.assert_close(loss(logits, certain), loss(logits, target))
    half = 0.5 * certain + 0.5 * certain[:, [1, 2, 0]]
    mixed = 0.5 * (loss(logits, target) + loss(logits, (target + 2) % 3))
    torch.testing.assert_close(loss(logits, half), mixed)


LOSS_CONTRACT: tuple[Callable[[Factory], None], ...] = (
    gives_a_scalar_for_any_spatial_shape,
    averages_terms_of_single_items,
    treats_equally_frequent_classes_alike,
    never_favors_the_more_frequent_class,
    is_finite_at_huge_logits,
    has_the_gradient_of_its_value,
    follows_a_permutation_of_classes,
    gives_probabilities,
    advances_by_progress_alone,
    lives_on_one_device_with_its_counts,
    works_in_half_precision,
    reduces_and_ignores_as_torch_does,
    averages_over_shares_of_classes,
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
