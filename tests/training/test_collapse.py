"""A generator that stopped learning is detected; one that still learns is not flagged."""

import pytest
import torch

from equipoise.exceptions import CollapseError
from equipoise.training.collapse import (
    StopWhenCriticWins,
    check_diversity,
    diversity,
    relative_diversity,
)
from equipoise.training.loop import History
from equipoise.training.objectives import OBJECTIVES


def run_with(losses: list[float]) -> None:
    """Run the hook on a fit with these critic losses."""
    hook, history = StopWhenCriticWins("Try X."), History()
    for done, loss in enumerate(losses, start=1):
        history.record(done, {"critic_loss": torch.tensor(loss)})
        hook(done, history)


def test_500_steps_without_critic_loss_end_the_fit() -> None:
    with pytest.raises(CollapseError, match=r"0.001 for 500 steps .*700.*Try X\."):
        run_with([0.5] * 200 + [1e-4] * 800)


def test_a_critic_that_loses_once_in_a_while_goes_on() -> None:
    run_with(([1e-4] * 490 + [0.5] * 10) * 3)


def test_less_than_500_steps_are_no_verdict() -> None:
    run_with([1e-4] * 499)


def test_only_where_a_loss_of_0_means_that_the_critic_has_won() -> None:
    assert [o.name for o in OBJECTIVES.values() if not o.critic_can_win] == ["wasserstein"]


def test_diversity_of_black_and_white() -> None:
    images = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    assert diversity(images) == pytest.approx(1.0)
    assert diversity(torch.ones(5, 3, 4, 4)) == 0.0


def test_the_same_kind_of_images_has_a_share_of_1() -> None:
    torch.manual_seed(0)
    assert relative_diversity(torch.rand(40, 1, 8, 8), torch.rand(40, 1, 8, 8)) == pytest.approx(
        1.0, abs=0.02
    )


def test_real_images_that_are_all_the_same_ask_for_nothing() -> None:
    assert relative_diversity(torch.ones(5, 1, 4, 4), torch.ones(5, 1, 4, 4)) == 1.0


def test_one_image_with_a_little_noise_is_refused() -> None:
    torch.manual_seed(0)
    real = torch.rand(40, 1, 8, 8)
    alike = real[:1] + 0.001 * torch.randn(40, 1, 8, 8)
    with pytest.raises(CollapseError, match=r"class 3.* 0\.\d%.* Try X\."):
        check_diversity(relative_diversity(alike, real), "class 3", "Try X.")


def test_half_the_diversity_of_real_images_passes() -> None:
    check_diversity(0.5, "class 3", "")
