import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softmax

from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
from equipoise.losses.cross_entropy import CrossEntropy, class_weights

S2_COUNTS = torch.tensor([4385.0, 1460.0])  # methods 2.1


def test_golden_class_weights() -> None:
    torch.testing.assert_close(class_weights(S2_COUNTS), torch.tensor([0.666477, 2.001712]), atol=1e-6, rtol=0)
    s0 = class_weights(torch.tensor([1727.0, 294.0]))
    torch.testing.assert_close(s0, torch.tensor([0.585119, 3.437075]), atol=1e-6, rtol=0)


def test_golden_binary_loss() -> None:
    # methods 2.1: p = (0.8, 0.4), y = (1, 0); a logit of p against 0 is softmax over (0, logit)
    logit = torch.logit(torch.tensor([0.8, 0.4]))
    logits = torch.stack([torch.zeros(2), logit], dim=1)
    loss = LOSSES["class_weights"](S2_COUNTS)(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(loss, torch.tensor(0.393561), atol=1e-6, rtol=0)


def test_weights_belong_to_the_class_of_the_image() -> None:
    """The paper prints the indices swapped, which would give 0.585623 (methods 2.1)."""
    logits = torch.stack([torch.zeros(2), torch.logit(torch.tensor([0.8, 0.4]))], dim=1)
    swapped = CrossEntropy(class_weights(S2_COUNTS).flip(0))(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(swapped, torch.tensor(0.585623), atol=1e-6, rtol=0)


def test_mean_divides_by_images_and_not_by_weights() -> None:
    weights, target = torch.tensor([0.5, 3.0]), torch.tensor([0, 0, 1])
    logits = torch.tensor([[1.0, 0.2], [0.3, 0.1], [0.5, -1.0]])
    ours, torchs = CrossEntropy(weights)(logits, target), cross_entropy(logits, target, weight=weights)
    torch.testing.assert_close(ours, torchs * weights[target].sum() / 3)
    assert not torch.isclose(ours, torchs)


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=8))
def test_weights_of_all_images_sum_to_their_number(counts: list[int]) -> None:
    n = torch.tensor(counts, dtype=torch.float64)
    torch.testing.assert_close((n * class_weights(n)).sum(), n.sum())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 5), shape=st.lists(st.integers(1, 4), max_size=2))
def test_equals_a_loop_over_positions(seed: int, k: int, shape: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, *shape, generator=generator)
    target = torch.randint(k, (3, *shape), generator=generator)
    counts = torch.randint(1, 100, (k,), generator=generator)
    expected = _by_hand(logits, target, counts.sum() / (k * counts))
    torch.testing.assert_close(LOSSES["class_weights"](counts)(logits, target), expected)


def _by_hand(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    chances = softmax(logits, dim=1).movedim(1, -1)
    of_true = (chances * one_hot(target, len(weights))).sum(dim=-1)
    return -(weights[target] * of_true.log()).sum() / target.numel()


@pytest.mark.parametrize("counts", [[5, 0], [5], [[1, 2], [3, 4]]])
def test_refuses_counts_that_are_none(counts: list[int]) -> None:
    with pytest.raises(DataError, match="at least 2 classes, none of them empty"):
        LOSSES["cross_entropy"](torch.tensor(counts))
