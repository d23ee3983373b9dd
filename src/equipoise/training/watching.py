"""Watch a critic on images that it has and has not learned from: the sign of memorizing (methods 4.10)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from equipoise.training.loop import Batch, History


class WatchScores:
    """A hook that records the critic's mean raw score on fixed groups of images, every so many steps.

    Where scores of training images stay up and those of held-out images fall to the level of generated ones, the
    critic has memorized. All groups are scored in eval mode, so they compare with one another and not with
    `real_score` and `fake_score` of the step, which use batch statistics. Draws no chance and changes nothing.
    """

    def __init__(
        self, critic: nn.Module, groups: Mapping[str, Callable[[], Batch]], *, every: int
    ) -> None:
        self.critic, self.groups, self.every = critic, groups, every

    def __call__(self, done: int, history: History) -> None:
        """Record {name}_score of every group where due."""
        if done % self.every:
            return
        self.critic.eval()
        history.add(
            done, {f"{name}_score": self._score(*batch()) for name, batch in self.groups.items()}
        )
        self.critic.train()

    @torch.no_grad()
    def _score(self, images: Tensor, labels: Tensor) -> float:
        """Score images (b, c, s, s) in the critic's range."""
        return float(self.critic(images, labels).mean())
