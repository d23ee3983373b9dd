"""What may happen after a step: keep the best model."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from torch import nn

from equipoise.training.loop import History


class KeepBest:
    """Scores the model every `every` steps, keeps the best weights, stops after `patience` scores without gain.

    The record gets all scores under their names; `metric` names the one that decides, or None where scores are only
    recorded and the last weights stay.

    Equal scores go to the later weights: a classifier that calls everything the large class scores the same before
    and after it has learned to rank. They count as no gain for `patience`. Step `last`, where given, is scored too,
    or the end of a fit would go unseen when `every` does not divide it. It is `Stateful`: put it into the
    checkpoint's parts.
    """

    def __init__(
        self, model: nn.Module, score: Callable[[], dict[str, float]], metric: str | None, *, every: int,
        last: int | None = None, higher_is_better: bool = True, patience: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self.score, self.metric = model, score, metric
        self.every, self.last, self.patience = every, last, patience
        self.sign = 1.0 if higher_is_better else -1.0
        self.best, self.best_step, self.misses = -math.inf, 0, 0
        self.weights: dict[str, Any] | None = None

    def __call__(self, done: int, history: History) -> bool:
        """Score where due; True when patience has run out."""
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
        """Put the best weights into the model; leaves it as it is where nothing was scored."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights and the count of misses."""
        names = ("best", "best_step", "misses", "weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        for name, value in state.items():
            setattr(self, name, value)
