import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.losses import LOSSES
from equipoise.losses.class_balanced import class_balanced_weights
from equipoise.losses.cross_entropy import CrossEntropy

COUNTS = torch.tensor([1727.0, 294.0])


@pytest.mark.parametrize(
    ("beta", "expected"), [(0.999, [0.473153, 1.526847]), (0.9999, [0.308901, 1.691099])]
)
def test_golden_weights(beta: float, expected: list[float]) -> None:
    torch.testing.assert_close(
        class_balanced_weights(COUNTS, beta), torch.tensor(expected), atol=1e-6, rtol=0
    )


def test_no_beta_weighs_alike_and_beta_near_one_by_inverse_frequency() -> None:
    torch.testing.assert_close(class_balanced_weights(COUNTS, 0.0), torch.ones(2))
    inverse = 2 * (1 / COUNTS) / (1 / COUNTS).sum()
    torch.testing.assert_close(class_balanced_weights(COUNTS, 1 - 1e-12), inverse)


@settings(deadline=None, max_examples=30)
@given(counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=8), beta=st.floats(0.0, 0.99999))
def test_weights_sum_to_the_number_of_classes_and_rarer_ones_weigh_more(
    counts: list[int], beta: float
) -> None:
    n = torch.tensor(sorted(counts), dtype=torch.float64)
    weights = class_balanced_weights(n, beta)
    torch.testing.assert_close(weights.sum(), torch.tensor(float(len(n)), dtype=torch.float64))
    assert (weights.diff() <= 1e-12).all()


def test_the_named_member_is_cross_entropy_with_beta_of_four_nines() -> None:
    logits, target = torch.tensor([[0.6, 0.2], [0.1, 0.7], [1.0, 0.0]]), torch.tensor([0, 1, 1])
    expected = CrossEntropy(torch.tensor([0.308901, 1.691099]))(logits, target)
    torch.testing.assert_close(
        LOSSES["class_balanced"](COUNTS)(logits, target), expected, atol=1e-5, rtol=0
    )
