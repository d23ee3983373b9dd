"""Steps are doubled until the validation AUROC of the baseline no longer rises by its noise."""

from collections.abc import Callable

import numpy as np
import pytest

from equipoise.metrics.base import Predictions
from equipoise.time_plan.steps import FIRST, MOST, choose_steps

Y_TRUE = np.repeat([0, 1], [300, 100])
NOISE = np.random.default_rng(0).normal(size=400)


def predictions(distance: float) -> Predictions:
    score = 1 / (1 + np.exp(-(NOISE + distance * Y_TRUE)))
    return Predictions(y_true=Y_TRUE, y_score=np.stack([1 - score, score], axis=1), positive=1)


def learner(
    distance_of: Callable[[int], float], trained: list[int]
) -> Callable[[int], Predictions]:
    def fit(n_steps: int) -> Predictions:
        trained.append(n_steps)
        return predictions(distance_of(n_steps))

    return fit


def test_steps_are_enough_where_the_area_no_longer_rises() -> None:
    trained: list[int] = []
    fit = learner(lambda n: 1.5 * min(1.0, n / 600), trained)
    choice = choose_steps(fit, 1e9, clock=lambda: 0.0)
    assert choice.n_steps == 1200  # 600 are as good; the longer run is kept
    assert trained == [150, 300, 600, 1200]
    assert choice.areas[600] == choice.areas[1200] > choice.areas[300]


def test_a_baseline_that_has_learned_nothing_is_trained_on() -> None:
    trained: list[int] = []
    fit = learner(lambda n: 0.0 if n < 1000 else 1.5, trained)
    assert predictions(0.0).y_score[Y_TRUE == 1, 1].mean() < 0.55
    assert choose_steps(fit, 1e9, clock=lambda: 0.0).n_steps == 2400


def test_the_search_keeps_its_time() -> None:
    trained: list[int] = []
    fit = learner(lambda n: n / 1000, trained)
    now = [0.0]

    def timed(n_steps: int) -> Predictions:
        now[0] += 0.1 * n_steps
        return fit(n_steps)

    choice = choose_steps(timed, 110.0, clock=lambda: now[0])
    assert trained == [FIRST, 2 * FIRST, 4 * FIRST]  # 105 s; the next would take 120 more
    assert now[0] <= 110.0
    assert choice.n_steps == 4 * FIRST
    assert "time" in choice.reason


def test_one_run_is_made_in_any_time() -> None:
    trained: list[int] = []
    clock = iter(np.arange(0.0, 1000.0, 100.0)).__next__
    assert choose_steps(learner(lambda _n: 1.0, trained), 1.0, clock=clock).n_steps == FIRST
    assert trained == [FIRST]


def test_steps_are_bounded() -> None:
    trained: list[int] = []
    choice = choose_steps(learner(lambda n: 1e-3 * n, trained), 1e9, clock=lambda: 0.0)
    assert choice.n_steps <= MOST
    assert choice.areas[choice.n_steps] == pytest.approx(1.0, abs=0.01)
