import math
from pathlib import Path

import pytest
import torch
from torch import nn

from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.hooks import KeepBest, WatchScores
from equipoise.training.loop import History


class Scored:
    """A model whose only weight is the step, with given scores."""

    def __init__(self, scores: list[float], **settings: object) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        self.left = iter(scores)
        score = lambda: {"good": next(self.left)}  # noqa: E731 (three words, used once)
        self.best = KeepBest(self.model, score, **{"metric": "good", **settings})  # type: ignore[arg-type]
        self.history = History()

    def walk(self, steps: range) -> int | None:
        """Return the step at which the hook asked to stop."""
        for done in steps:
            nn.init.constant_(self.model.weight, done)
            if self.best(done, self.history):
                return done
        return None


def test_the_best_weights_come_back() -> None:
    fit = Scored([0.1, 0.9, 0.9, 0.3], every=2)
    assert fit.walk(range(1, 9)) is None
    fit.best.restore()
    assert fit.model.weight.item() == fit.best.best_step == 6  # the last of equals
    assert fit.history.column("good") == [(2, 0.1), (4, 0.9), (6, 0.9), (8, 0.3)]


def test_lower_may_be_better() -> None:
    fit = Scored([3.0, 1.0, 2.0], every=1, higher_is_better=False)
    fit.walk(range(1, 4))
    assert fit.best.best_step == 2


def test_the_last_step_is_scored_whatever_the_interval() -> None:
    fit = Scored([0.5], every=50, last=7)
    fit.walk(range(1, 8))
    assert fit.best.best_step == 7


def test_patience_counts_scores_without_gain() -> None:
    assert Scored([0.5, 0.4, 0.6, 0.6, 0.5, 0.9], every=10, patience=2).walk(range(1, 100)) == 50


def test_an_undefined_score_is_no_gain() -> None:
    fit = Scored([math.nan, 0.2], every=1)
    fit.walk(range(1, 3))
    assert fit.best.best_step == 2


def test_without_a_score_the_weights_stay() -> None:
    fit = Scored([], every=10)
    fit.walk(range(1, 5))
    fit.best.restore()
    assert fit.model.weight.item() == 4


def test_without_a_metric_scores_are_only_recorded() -> None:
    fit = Scored([0.9, 0.1, 0.1], metric=None, every=1, patience=1)
    assert fit.walk(range(1, 4)) is None
    fit.best.restore()
    assert fit.model.weight.item() == 3
    assert fit.history.column("good") == [(1, 0.9), (2, 0.1), (3, 0.1)]


@pytest.mark.parametrize("killed_after", [1, 3, 5])
def test_the_state_survives_a_checkpoint(tmp_path: Path, killed_after: int) -> None:
    scores = [0.1, 0.9, 0.5, 0.4, 0.3, 0.2]
    first = Scored(scores, every=1, patience=4)
    first.walk(range(1, killed_after + 1))
    Checkpoint(tmp_path / "c.pt", {"best": first.best}).save(
        {"done": 0, "stopped": False, "rows": []}
    )
    second = Scored(scores[killed_after:], every=1, patience=4)
    Checkpoint(tmp_path / "c.pt", {"best": second.best}).restore()
    assert second.walk(range(killed_after + 1, 7)) == 6
    second.best.restore()
    assert torch.equal(second.model.weight, torch.full((1, 1), 2.0))


def test_scores_of_every_group_are_recorded_where_due_and_change_nothing() -> None:
    torch.manual_seed(0)
    critic = build_pair("dcgan", Design(size=8, channels=1, base_channels=4))[1]
    images, labels = torch.rand(6, 1, 8, 8), torch.zeros(6, dtype=torch.long)
    before = {k: v.clone() for k, v in critic.state_dict().items()}
    random_state = torch.get_rng_state()
    watch = WatchScores(critic, {"validation": lambda: (images, labels)}, every=10)
    history = History()
    for done in range(1, 31):
        watch(done, history)
    assert [step for step, _ in history.column("validation_score")] == [10, 20, 30]
    expected = critic.eval()(images, labels).mean().item()
    assert history.column("validation_score")[0][1] == expected
    assert all(torch.equal(before[name], value) for name, value in critic.state_dict().items())
    assert torch.equal(random_state, torch.get_rng_state())


def test_a_watched_critic_stays_in_training_mode() -> None:
    critic = build_pair("dcgan", Design(size=8, channels=1, base_channels=4))[1]
    WatchScores(critic, {}, every=1)(1, History())
    assert critic.training
