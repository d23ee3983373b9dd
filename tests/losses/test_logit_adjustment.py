import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from equipoise.losses import LOSSES
from equipoise.losses.logit_adjustment import LogitAdjustment, PosthocLogitAdjustment

COUNTS = torch.tensor([1727.0, 294.0])
LOGITS, TARGET = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])


def test_golden_values() -> None:
    loss = LOSSES["balanced_softmax"](COUNTS)
    torch.testing.assert_close(
        loss.terms(LOGITS, TARGET), torch.tensor([0.060744, 1.150882]), atol=1e-6, rtol=1e-5
    )
    torch.testing.assert_close(loss(LOGITS, TARGET), torch.tensor(0.605813), atol=1e-6, rtol=1e-5)


def test_balanced_softmax_is_a_softmax_weighted_by_counts() -> None:
    p = COUNTS * LOGITS.exp()
    expected = -(p / p.sum(dim=1, keepdim=True))[torch.arange(2), TARGET].log()
    torch.testing.assert_close(LOSSES["balanced_softmax"](COUNTS).terms(LOGITS, TARGET), expected)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_tau_and_equal_counts(tau: float) -> None:
    maps = torch.linspace(-2, 2, 24).view(2, 3, 4)
    target = torch.tensor([[0, 1, 2, 0], [1, 1, 0, 2]])
    counts = torch.tensor([70.0, 20.0, 10.0])
    offsets = tau * counts.log().view(1, 3, 1)
    expected = cross_entropy(maps + offsets, target)
    torch.testing.assert_close(LogitAdjustment(counts, tau)(maps, target), expected)
    torch.testing.assert_close(
        PosthocLogitAdjustment(counts, tau)(maps, target), cross_entropy(maps, target)
    )
    probabilities = PosthocLogitAdjustment(counts, tau).probabilities(maps)
    torch.testing.assert_close(probabilities, (maps - offsets).softmax(dim=1))
    torch.testing.assert_close(
        LogitAdjustment(torch.full((3,), 9.0), tau)(maps, target), cross_entropy(maps, target)
    )


def test_posthoc_divides_probabilities_by_class_shares() -> None:
    p = torch.tensor([[0.7, 0.3]])
    expected = (p / COUNTS) / (p / COUNTS).sum()
    torch.testing.assert_close(
        LOSSES["posthoc_logit_adjustment"](COUNTS).probabilities(p.log()), expected
    )


def test_golden_prior_correction() -> None:
    """docs/methods.md 7.5: p' ~ p pi_test / pi_train with pi_train (.5, .5).

    Dividing by "counts" proportional to pi_train / pi_test is the same; equal priors change
    nothing.
    """
    p, test = torch.tensor([[0.3, 0.7]]), torch.tensor([0.85455, 0.14545])
    expected = torch.tensor([[0.715743, 0.284257]])
    corrected = PosthocLogitAdjustment(0.5 / test).probabilities(p.log())
    torch.testing.assert_close(corrected, expected, atol=0, rtol=1e-5)
    torch.testing.assert_close(PosthocLogitAdjustment(test / test).probabilities(p.log()), p)


# --- classes N(0, 1) and N(2, 1): the border of equally frequent classes is the midpoint 1 ------


def log_densities(x: Tensor) -> Tensor:
    """Log densities of both classes, without their common constant."""
    return -(torch.stack([x, x - 2.0], dim=1) ** 2) / 2


def test_posthoc_finds_the_midpoint_from_the_analytic_posterior() -> None:
    x = torch.tensor([0.99, 1.0, 1.01])
    posterior = log_softmax(log_densities(x) + COUNTS.log(), dim=1)
    # without the adjustment all three are the common class
    assert (posterior.argmax(dim=1) == 0).all()
    rare = PosthocLogitAdjustment(COUNTS).probabilities(posterior)[:, 1]
    assert rare[0] < 0.5 < rare[2]
    torch.testing.assert_close(rare[1], torch.tensor(0.5))


@pytest.mark.parametrize(
    ("loss", "stationary"), [("balanced_softmax", True), ("cross_entropy", False)]
)
def test_balanced_softmax_learns_the_midpoint(loss: str, stationary: bool) -> None:
    """The expected loss over all x is convex; its gradient vanishes at the logit 2 (x - 1)."""
    x = torch.linspace(-8.0, 10.0, 2001, dtype=torch.float64)
    # logit = slope (x - threshold)
    midpoint = torch.tensor([2.0, 1.0], dtype=torch.float64, requires_grad=True)
    logits = torch.stack([torch.zeros_like(x), midpoint[0] * (x - midpoint[1])], dim=1)
    densities = log_densities(x).exp() * COUNTS
    module = LOSSES[loss](COUNTS).double()
    value = torch.zeros((), dtype=torch.float64)
    for label in (0, 1):
        target = torch.full((len(x),), label)
        value = value + module(logits, target, densities[:, label] / densities.mean())
    (gradient,) = torch.autograd.grad(value, midpoint)
    assert (gradient.abs().max() < 1e-6) == stationary
