import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    one_hot,
    softmax,
    softplus,
)

from equipoise.losses import LOSSES
from equipoise.losses.cross_entropy import CrossEntropy, class_weights

S2_COUNTS = torch.tensor([4385.0, 1460.0])  # docs/methods.md 2.1


def test_golden_class_weights() -> None:
    torch.testing.assert_close(
        class_weights(S2_COUNTS), torch.tensor([0.666477, 2.001712]), atol=1e-6, rtol=0
    )
    s0 = class_weights(torch.tensor([1727.0, 294.0]))
    torch.testing.assert_close(s0, torch.tensor([0.585119, 3.437075]), atol=1e-6, rtol=0)


def test_golden_binary_loss() -> None:
    # docs/methods.md 2.1: p = (0.8, 0.4), y = (1, 0); sigmoid(l) is softmax over (0, l)
    logit = torch.logit(torch.tensor([0.8, 0.4]))
    logits = torch.stack([torch.zeros(2), logit], dim=1)
    loss = LOSSES["class_weights"](S2_COUNTS)(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(loss, torch.tensor(0.393561), atol=1e-6, rtol=0)


def test_weights_belong_to_the_class_of_the_image() -> None:
    """The paper prints the indices swapped, which would give 0.585623 (docs/methods.md 2.1)."""
    logits = torch.stack([torch.zeros(2), torch.logit(torch.tensor([0.8, 0.4]))], dim=1)
    swapped = CrossEntropy(class_weights(S2_COUNTS).flip(0))(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(swapped, torch.tensor(0.585623), atol=1e-6, rtol=0)


def test_mean_divides_by_images_and_not_by_weights() -> None:
    weights, target = torch.tensor([0.5, 3.0]), torch.tensor([0, 0, 1])
    logits = torch.tensor([[1.0, 0.2], [0.3, 0.1], [0.5, -1.0]])
    by_number = CrossEntropy(weights)(logits, target)
    by_weights = cross_entropy(logits, target, weight=weights)
    torch.testing.assert_close(by_number, by_weights * weights[target].sum() / 3)
    assert not torch.isclose(by_number, by_weights)


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=8))
def test_weights_of_all_images_sum_to_their_number(counts: list[int]) -> None:
    n = torch.tensor(counts, dtype=torch.float64)
    torch.testing.assert_close((n * class_weights(n)).sum(), n.sum())


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10**6), k=st.integers(2, 5), shape=st.lists(st.integers(1, 4), max_size=2)
)
def test_equals_a_loop_over_positions(seed: int, k: int, shape: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, *shape, generator=generator)
    target = torch.randint(k, (3, *shape), generator=generator)
    counts = torch.randint(1, 100, (k,), generator=generator)
    expected = weighted_mean(logits, target, counts.sum() / (k * counts))
    torch.testing.assert_close(LOSSES["class_weights"](counts)(logits, target), expected)


def weighted_mean(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    probabilities = softmax(logits, dim=1).movedim(1, -1)
    p_true = (probabilities * one_hot(target, len(weights))).sum(dim=-1)
    return -(weights[target] * p_true.log()).sum() / target.numel()


# --- two classes: docs/methods.md 2.1 has one logit l, of class 1 against 0 --------------------


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_is_the_weighted_binary_cross_entropy_of_one_logit(seed: int) -> None:
    """w_1 y sp(-l) + w_0 (1 - y) sp(l): a rare class 1 is weighted by w_1."""
    logit, y, weights = binary(seed)
    expected = weights[1] * y * softplus(-logit) + weights[0] * (1 - y) * softplus(logit)
    terms = CrossEntropy(weights).terms(two_columns(logit), y)
    torch.testing.assert_close(terms, expected)
    plain = binary_cross_entropy_with_logits(logit, y.double())
    torch.testing.assert_close(CrossEntropy()(two_columns(logit), y), plain)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_swapping_the_names_of_two_classes_changes_nothing(seed: int) -> None:
    logit, y, weights = binary(seed)
    swapped = CrossEntropy(weights.flip(0))(two_columns(-logit), 1 - y)
    torch.testing.assert_close(swapped, CrossEntropy(weights)(two_columns(logit), y))


def binary(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    logit = torch.randn(7, generator=g, dtype=torch.float64)
    y = torch.randint(2, (7,), generator=g)
    return logit, y, class_weights(torch.randint(1, 100, (2,), generator=g).double())


def two_columns(logit: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(logit), logit], dim=1)
