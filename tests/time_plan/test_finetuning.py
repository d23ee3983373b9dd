"""When finetuning takes the place of frozen features: time first, then validation images."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from equipoise.arrays import Images
from equipoise.metrics.base import Predictions
from equipoise.time_plan.choosing import Options, StudyChoice
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.finetuning import verdict_of_trial, why_not_tried
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.planned_study import PlannedStudy
from equipoise.time_plan.steps import StepsChoice

METHODS = ("none", "crt")
Y_TRUE = np.repeat([0, 1], [200, 50])
NOISE = np.random.default_rng(0).normal(size=250)


class FakePower:
    options = Options(
        methods=METHODS, droppable=True, extendable=True, fixed_units=None, n_seeds=1, most=48
    )

    def mean_detectable(self, _n_methods: int) -> Callable[[int], float]:
        return lambda n_units: (0.0005 + 0.01 / n_units) ** 0.5


class FakeImages:
    images = np.zeros((1, 3, 8, 8))


class FakeStudy:
    images = FakeImages()


class FakeMeter:
    def __init__(self, step: float) -> None:
        self.step = step

    def feature_seconds(self, setting: TrainingSetting, channels: int) -> float:
        raise AssertionError

    def step_seconds(self, setting: TrainingSetting, channels: int) -> float:
        assert (setting.regime, channels) == ("finetune", 3)
        return self.step

    def extractor_seconds(self, images: Images) -> Sequence[float]:
        raise AssertionError

    def cores_of_others(self) -> float:
        return 0.0


PLANNED = PlannedStudy(
    setting=TrainingSetting(regime="frozen", network="m", pretrained="official", size=128),
    study=cast("Any", FakeStudy()),
    costs=StudyCosts(
        spent={"planning": 60.0},
        n_workers=2,
        start=5.0,
        cells=dict.fromkeys(METHODS, 2.0),
        finished=dict.fromkeys(METHODS, 5),
    ),
    power=cast("Any", FakePower()),
    choice=StudyChoice(methods=METHODS, n_units=40, affordable=48),
    run=cast("Any", None),
    no_generator="",
)


@pytest.mark.parametrize(
    ("step", "hours", "reason"),
    [
        (0.1, 8, ""),  # 41 s a cell: 48 splits fit
        (2.0, 8, ""),  # 782 s a cell: 33 splits
        (2.0, 1, "finetuning would leave time for 4 splits"),
        (20.0, 1, "too few splits"),
    ],
)
def test_finetuning_is_tried_where_it_finds_nearly_as_much(
    step: float, hours: float, reason: str
) -> None:
    why = why_not_tried(PLANNED, FakeMeter(step), hours * 3600)
    assert (reason in why) if reason else why == ""


def predictions(distance: float) -> Predictions:
    score = 1 / (1 + np.exp(-(NOISE + distance * Y_TRUE)))
    return Predictions(y_true=Y_TRUE, y_score=np.stack([1 - score, score], axis=1), positive=1)


@pytest.mark.parametrize(("finetuned", "is_better"), [(2.0, True), (1.0, False), (0.5, False)])
def test_finetuning_has_to_rank_validation_images_better(
    finetuned: float, is_better: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "equipoise.time_plan.finetuning"
    monkeypatch.setattr(f"{module}.baseline_validation", lambda _planned: predictions(1.0))
    trial = StepsChoice(n_steps=300, areas={}, reason="", predictions=predictions(finetuned))
    better, why = verdict_of_trial(PLANNED, trial)
    assert better is is_better
    assert "300 steps" in why
