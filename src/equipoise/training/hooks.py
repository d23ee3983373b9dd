"""What may happen after a step: keep the best weights, watch the scores of a critic."""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TypedDict

import torch
from torch import Tensor, nn

from equipoise.training.loop import Batch, History


class KeepBestState(TypedDict):
    """State of `KeepBest`."""

    best: float
    best_step: int
    misses: int
    weights: dict[str, Tensor] | None


class KeepBest:
    """Scores a model every `every` steps, keeps its best weights, stops when scores do not improve.

    Equal scores go to the later weights: a classifier that predicts the large class for everything
    scores the same before and after it has learned to rank. They count as no improvement for
    `patience`. It is `Stateful`: put it into the parts of the checkpoint.

    Args:
        model: The model.
        score: Computes the scores, which are recorded under their names.
        metric: Name of the score that decides; None only records, and the last weights stay.
        every: Steps between two scores.
        last: The last step, which is scored, too, when `every` does not divide it.
        higher_is_better: Whether the metric is.
        patience: Number of scores without improvement after which to stop, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        score: Callable[[], dict[str, float]],
        metric: str | None,
        *,
        every: int,
        last: int | None = None,
        higher_is_better: bool = True,
        patience: int | None = None,
    ) -> None:
        self.model = model
        self.score = score
        self.metric = metric
        self.every = every
        self.last = last
        self.patience = patience
        self.sign = 1.0 if higher_is_better else -1.0
        self.best = -math.inf
        self.best_step = 0
        self.misses = 0
        self.weights: dict[str, Tensor] | None = None

    def __call__(self, done: int, history: History) -> bool:
        """Score where due; return True when patience is exhausted."""
        if done % self.every and done != self.last:
            return False
        scores = self.score()
        history.add(done, scores)
        if self.metric is None:
            return False
        value = self.sign * scores[self.metric]
        self.misses = 0 if value > self.best else self.misses + 1
        if value >= self.best:
            self.best, self.best_step = value, done
            self.weights = deepcopy(self.model.state_dict())
        return self.patience is not None and self.misses >= self.patience

    def restore(self) -> None:
        """Load the best weights into the model; nothing changes where nothing was scored."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)

    def state_dict(self) -> KeepBestState:
        """Return the best weights and the number of scores without improvement."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "misses": self.misses,
            "weights": self.weights,
        }

    def load_state_dict(self, state: KeepBestState) -> None:
        """Restore a state."""
        self.best = state["best"]
        self.best_step = state["best_step"]
        self.misses = state["misses"]
        self.weights = state["weights"]


class WatchScores:
    """Records a critic's mean score on fixed groups of images, which shows memorization.

    Where scores of training images stay high and those of held-out images fall to the level of
    generated ones, the critic has memorized its images. All groups are scored in evaluation mode,
    so they are comparable with one another, but not with `real_score` and `fake_score` of the step,
    which use batch statistics. No random numbers are drawn, nothing is changed.

    Args:
        critic: (images, labels) -> scores.
        groups: Name -> function that returns images (b, c, s, s) in the critic's range and labels.
        every: Steps between two records.
    """

    def __init__(
        self, critic: nn.Module, groups: Mapping[str, Callable[[], Batch]], *, every: int
    ) -> None:
        self.critic, self.groups, self.every = critic, groups, every

    @torch.no_grad()
    def __call__(self, done: int, history: History) -> None:
        """Record {name}_score of every group where due."""
        if done % self.every:
            return
        scores = {}
        self.critic.eval()
        for name, batch in self.groups.items():
            images, labels = batch()
            scores[f"{name}_score"] = float(self.critic(images, labels).mean())
        self.critic.train()
        history.add(done, scores)
