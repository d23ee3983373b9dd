"""Golden values of methods 4.1, and what the losses ask for."""

import pytest
import torch
from torch import Tensor

from equipoise.training.objectives import OBJECTIVES, Objective

REAL, FAKE = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])

everyone = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=lambda objective: objective.name)


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


@pytest.mark.parametrize("objective", [o for o in OBJECTIVES.values() if o.critic_can_win], ids=lambda o: o.name)
def test_a_critic_that_can_win_has_no_loss_left_when_it_does(objective: Objective) -> None:
    won = {"least_squares": (1.0, 0.0)}.get(objective.name, (50.0, -50.0))
    assert objective.critic_loss(torch.tensor(won[:1]), torch.tensor(won[1:])).item() < 1e-6


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss, of)[0]
