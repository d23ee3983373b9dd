"""What critic and generator minimize: one row per game, all on raw scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from equipoise.discovery import Family


@dataclass(frozen=True)
class Objective:
    """The two losses of an adversarial game; means over a batch.

    Attributes:
        name: As the user writes it.
        critic_loss: (real scores, fake scores), each (b,) -> scalar.
        generator_loss: fake scores (b,) -> scalar.
        critic_can_win: Whether the critic's loss is at least 0, and 0 where it separates all images
            with certainty.
        real_above_0: Whether the critic is to score real images above 0 and fakes below.
        source: Where the formulas come from.
    """

    name: str
    critic_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor], Tensor]
    critic_can_win: bool
    real_above_0: bool
    source: str


def _log_loss(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


MINIMAX = Objective(
    name="minimax",
    critic_loss=_log_loss,
    generator_loss=lambda fake: -softplus(fake).mean(),
    critic_can_win=True,
    real_above_0=True,
    source="Goodfellow et al. (2014), arXiv 1406.2661, Eq. 1; stalls where the critic is certain",
)
NON_SATURATING = Objective(
    name="non_saturating",
    critic_loss=_log_loss,
    generator_loss=lambda fake: softplus(-fake).mean(),
    critic_can_win=True,
    real_above_0=True,
    source="Goodfellow et al. (2014), arXiv 1406.2661, Section 3; paper S1's code halves the sum",
)
LEAST_SQUARES = Objective(
    name="least_squares",
    critic_loss=lambda real, fake: 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean(),
    generator_loss=lambda fake: 0.5 * (fake - 1).square().mean(),
    critic_can_win=True,
    real_above_0=False,
    source="Mao et al. (2017), arXiv 1611.04076, Eq. 9 (a = 0, b = c = 1)",
)
HINGE = Objective(
    name="hinge",
    critic_loss=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
    generator_loss=lambda fake: -fake.mean(),
    critic_can_win=True,
    real_above_0=True,
    source="Lim & Ye (2017), arXiv 1705.02894",
)
WASSERSTEIN = Objective(
    name="wasserstein",
    critic_loss=lambda real, fake: fake.mean() - real.mean(),
    generator_loss=lambda fake: -fake.mean(),
    critic_can_win=False,
    real_above_0=False,
    source="Arjovsky et al. (2017), arXiv 1701.07875, Eq. 2, without its constraint on the critic",
)

OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (MINIMAX, NON_SATURATING, LEAST_SQUARES, HINGE, WASSERSTEIN)
}
FAMILY = Family(
    name="objectives",
    summary="Objectives of a GAN.",
    members=OBJECTIVES,
)
