"""Notice a generator that no longer learns: its critic has won, or all its images are alike (methods 4.10, A.2)."""

import math

import torch
from torch import Tensor

from equipoise.exceptions import CollapseError
from equipoise.training.loop import History

WON_BELOW = 1e-3  # critic loss
WON_FOR = 500  # consecutive steps
ALIKE_BELOW = 0.05  # diversity of generated images, as a share of that of real ones


class StopWhenCriticWins:
    """A hook that ends the fit once the critic's loss has stayed below 0.001 for 500 steps (methods A.2).

    A critic that is sure of everything hands the generator no usable gradient. Judged on the rows of the history
    (means over `log_every` steps), it needs no state of its own and survives a resume. Only for objectives whose
    critic can win, see `Objective.critic_can_win`.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice

    def __call__(self, done: int, history: History) -> None:
        """Look at the last 500 steps, whenever a row is complete.

        Raises:
            CollapseError: The critic has won.
        """
        if done < WON_FOR or not history.settled:
            return
        for row in reversed(history.rows):
            if row["step"] <= done - WON_FOR:
                break
            if row.get("critic_loss", 0.0) >= WON_BELOW:
                return
        raise CollapseError(
            f"The critic has won: its loss stayed below {WON_BELOW} for {WON_FOR} steps up to step {done}, so the "
            f"generator learns nothing more. {self.advice}"
        )


def diversity(images: Tensor) -> float:
    """Mean over all pairs of the root-mean-square difference of two images; images (n >= 2, c, h, w) in [0, 1]."""
    flat = images.flatten(1).float()
    return float(torch.pdist(flat).mean()) / math.sqrt(flat.shape[1])


def relative_diversity(generated: Tensor, real: Tensor) -> float:
    """Divide the diversity of generated images by that of real ones; 1 where the real ones are all the same."""
    reference = diversity(real)
    return diversity(generated) / reference if reference > 0 else 1.0


def check_diversity(share: float, name: str, advice: str) -> None:
    """Refuse a generator whose images of the class `name` are all alike.

    Raises:
        CollapseError: `share`, from `relative_diversity`, is below 0.05.
    """
    if share < ALIKE_BELOW:
        raise CollapseError(
            f"The generator makes one image of {name} whatever its latent is: its images differ by {share:.1%} of "
            f"what real images of the class differ (expected at least {ALIKE_BELOW:.0%}). {advice}"
        )
