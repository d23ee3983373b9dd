import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, softmax

from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.losses.class_balanced import class_balanced_weights
from equipoise.losses.focal import Focal


def test_golden_value() -> None:
    value = LOSSES["focal"](torch.tensor([5, 5]))(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(value, torch.tensor(0.022658), atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), gamma=st.floats(0.0, 4.0), k=st.integers(2, 5))
def test_equals_the_formula(seed: int, gamma: float, k: int) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, k, generator=g, dtype=torch.float64)
    target = torch.randint(k, (4,), generator=g)
    weights = torch.rand(k, generator=g, dtype=torch.float64)
    p = softmax(logits, dim=1)[torch.arange(4), target]
    expected = -weights[target] * (1 - p) ** gamma * p.log()
    torch.testing.assert_close(Focal(gamma, weights).terms(logits, target), expected)
    torch.testing.assert_close(Focal(0.0)(logits, target), cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_confident_network_gets_a_finite_gradient_for_any_gamma(gamma: float) -> None:
    """A power of a rounded 1 - p would have none below gamma 1."""
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(Focal(gamma)(logits, torch.tensor([0, 0])), logits)
    assert torch.isfinite(gradient).all()


def test_the_class_weight_stands_outside() -> None:
    """The code of Cao et al. (2019) computes p_t from the weighted cross-entropy instead."""
    counts = torch.tensor([1727.0, 294.0])
    logits, target = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    weight = class_balanced_weights(counts)[0]
    value = LOSSES["class_balanced_focal"](counts)(logits, target)
    torch.testing.assert_close(value, weight * 0.022658, atol=1e-6, rtol=0)


def test_refuses_a_negative_gamma() -> None:
    with pytest.raises(SettingError, match=r"gamma.* -0\.5"):
        Focal(-0.5)
