"""Detect a generator that no longer learns: its critic has won, or all its images are alike."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from equipoise.exceptions import CollapseError
from equipoise.training.loop import History

WON_BELOW = 1e-3  # critic loss
WON_FOR = 500  # consecutive steps
ALIKE_BELOW = 0.05  # diversity of generated images, as a share of that of real ones

_IS_CHECKED: ContextVar[bool] = ContextVar("_IS_CHECKED", default=True)


class StopWhenCriticWins:
    """A hook that ends the fit once the critic's loss has stayed below 0.001 for 500 steps.

    A critic that separates all images gives the generator no usable gradient. It reads the rows of
    the history (means over `log_every` steps), so it needs no state of its own and survives a
    resume. Only for objectives whose critic can win, see `Objective.critic_can_win`.

    Args:
        advice: What to change; ends the message.
        below: Loss of a critic that has won.
        steps: Consecutive steps below it.
    """

    def __init__(self, advice: str, *, below: float = WON_BELOW, steps: int = WON_FOR) -> None:
        self.advice = advice
        self.below = below
        self.steps = steps

    def __call__(self, done: int, history: History) -> None:
        """Check the last `steps` steps, whenever a row is complete.

        Raises:
            CollapseError: The critic has won.
        """
        if done < self.steps or not history.settled:
            return
        for row in reversed(history.rows):
            if row["step"] <= done - self.steps:
                break
            if row.get("critic_loss", 0.0) >= self.below:
                return
        raise CollapseError(
            f"The critic has won: its loss stayed below {self.below} for {self.steps} steps up to "
            f"step {done}, so the generator learns nothing more. {self.advice}"
        )


def diversity(images: Tensor) -> float:
    """Return the root-mean-square difference of two images, averaged over all pairs.

    Args:
        images: (n, c, h, w) in [0, 1], n at least 2.

    Example:
        >>> diversity(torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
        1.0
    """
    flat = images.flatten(1).float()
    return float(torch.pdist(flat).mean()) / math.sqrt(flat.shape[1])


def relative_diversity(generated: Tensor, real: Tensor) -> float:
    """Return the diversity of generated images over that of real ones; 1 where that is 0."""
    reference = diversity(real)
    return diversity(generated) / reference if reference > 0 else 1.0


@contextmanager
def unchecked_diversity() -> Iterator[None]:
    """Let fits of a few steps end, though their images are all alike: only their time is wanted."""
    token = _IS_CHECKED.set(False)
    try:
        yield
    finally:
        _IS_CHECKED.reset(token)


def check_diversity(share: float, name: str, advice: str) -> None:
    """Refuse a generator whose images of one class are all alike.

    Args:
        share: From `relative_diversity`.
        name: Of the class.
        advice: What to change; ends the message.

    Raises:
        CollapseError: `share` is below 0.05.
    """
    if share < ALIKE_BELOW and _IS_CHECKED.get():
        raise CollapseError(
            f"The generator has collapsed to one image of {name}: its images differ from one "
            f"another by {share:.1%} of how much real images do, expected at least "
            f"{ALIKE_BELOW:.0%}. {advice}"
        )
