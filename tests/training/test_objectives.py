"""Golden values of the adversarial losses, and the slopes that they produce."""

import pytest
import torch
from torch import Tensor

from equipoise.training.objectives import OBJECTIVES, Objective

REAL, FAKE = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])

everyone = pytest.mark.parametrize(
    "objective", OBJECTIVES.values(), ids=lambda objective: objective.name
)


@pytest.mark.parametrize(
    ("name", "critic", "generator"),
    [
        ("minimax", 1.223299, -0.813262),
        ("non_saturating", 1.223299, 0.813262),
        ("least_squares", 1.0, 1.0),
        ("hinge", 1.5, 0.0),
        ("wasserstein", -1.0, 0.0),
    ],
)
def test_golden_values(name: str, critic: float, generator: float) -> None:
    objective = OBJECTIVES[name]
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(critic, rel=1e-5)
    assert objective.generator_loss(FAKE).item() == pytest.approx(generator, rel=1e-5)


@everyone
def test_the_generator_wants_higher_scores_and_the_critic_lower_ones(objective: Objective) -> None:
    fake = torch.tensor([-0.5, 0.3], requires_grad=True)
    assert (gradient(objective.generator_loss(fake), fake) < 0).all()
    assert (gradient(objective.critic_loss(REAL, fake), fake)[1] > 0).all()


@everyone
def test_finite_at_extreme_scores(objective: Objective) -> None:
    far = torch.tensor([-1e4, 1e4], requires_grad=True)
    for loss in (objective.critic_loss(far, far), objective.generator_loss(far)):
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient(loss, far)).all()


@pytest.mark.parametrize(
    "objective", [o for o in OBJECTIVES.values() if o.critic_can_win], ids=lambda o: o.name
)
def test_a_critic_that_can_win_has_no_loss_left_when_it_does(objective: Objective) -> None:
    won = {"least_squares": (1.0, 0.0)}.get(objective.name, (50.0, -50.0))
    assert objective.critic_loss(torch.tensor(won[:1]), torch.tensor(won[1:])).item() < 1e-6


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss, of)[0]


# --- the formulas as they are printed, in probabilities D = sg(score) ----------------------------

SCORES = torch.linspace(-6, 6, 13, dtype=torch.float64)
D = 1 / (1 + (-SCORES).exp())


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_losses_of_scores_are_those_of_probabilities(name: str) -> None:
    """-log sg(l) = sp(-l) and -log(1 - sg(l)) = sp(l)."""
    printed = -D.log().mean() - (1 - D).log().mean()
    torch.testing.assert_close(OBJECTIVES[name].critic_loss(SCORES, SCORES), printed)
    generators = {"minimax": (1 - D).log().mean(), "non_saturating": -D.log().mean()}
    torch.testing.assert_close(OBJECTIVES[name].generator_loss(SCORES), generators[name])


def test_minimax_stalls_where_the_critic_is_certain() -> None:
    """Slopes at a fake's score: -D and -(1 - D), so of one sign, and 0 and -1 where D = 0."""
    fake = SCORES.clone().requires_grad_()
    slopes = {
        name: gradient(OBJECTIVES[name].generator_loss(fake), fake) * len(fake)
        for name in ("minimax", "non_saturating")
    }
    torch.testing.assert_close(slopes["minimax"], -D)
    torch.testing.assert_close(slopes["non_saturating"], D - 1)
    assert torch.equal(slopes["minimax"].sign(), slopes["non_saturating"].sign())
