"""Plans of a small study, measured on its own cells; the meter is injected."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.arrays import Images
from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.datasets import cells
from equipoise.data.splits import hold_out
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.protocols import Observer
from equipoise.experiments.study import Study
from equipoise.runs.run import open_run
from equipoise.runs.stage_seconds import StageClock
from equipoise.runs.store import RunStore
from equipoise.time_plan.choosing import Options
from equipoise.time_plan.pilot import Pilot
from equipoise.time_plan.plan import (
    FixedChoices,
    StoredPlan,
    TimePlan,
    TrainingSetting,
    read_plan,
)
from equipoise.time_plan.planned_study import PlannedStudy
from equipoise.time_plan.planning import Planner, replanned_study
from equipoise.time_plan.power_of_study import StudyPower
from equipoise.time_plan.request import PlanRequest
from equipoise.time_plan.survey import Survey

DATASET = cells((120, 80), size=32)
SURVEY = Survey(n_images=200, side=32, channels=3)
FROZEN = FixedChoices(
    regime="frozen", network="small_cnn", pretrained="random", methods=("none", "oversampling")
)


class FakeMeter:
    def feature_seconds(self, setting: TrainingSetting, channels: int) -> float:
        return 0.01

    def step_seconds(self, setting: TrainingSetting, channels: int) -> float:
        return 0.05

    def extractor_seconds(self, images: Images) -> Sequence[float]:
        return (0.001, 0.02)

    def cores_of_others(self) -> float:
        return 1.8


class NoShelf:
    def has_weights(self, network: str) -> bool:
        return False

    def is_here(self, network: str) -> bool:
        raise AssertionError

    def fetch(self, network: str) -> None:
        raise AssertionError


def planner_of(folder: Path, fixed: FixedChoices, seconds: float) -> Planner:
    return Planner(
        request=PlanRequest(
            seconds=seconds,
            fixed=fixed,
            protocol=Protocol(rare_class="abnormal"),
            budget=Budget(augmentation="none", device="cpu"),
        ),
        pilot=Pilot(
            store=RunStore(folder), executor=InProcess(), observer=Observer(), stages=StageClock()
        ),
        meter=FakeMeter(),
        shelf=NoShelf(),
        say=lambda _line: None,
    )


def planned(folder: Path, fixed: FixedChoices, seconds: float) -> tuple[TimePlan, Study]:
    planner = planner_of(folder, fixed, seconds)
    settled = planner.settle(SURVEY)
    return planner.plan(Loaded(dataset=DATASET), settled, name="cells", facts={})


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> tuple[TimePlan, Study, Path]:
    folder = tmp_path_factory.mktemp("planned") / "run"
    return *planned(folder, FROZEN, 120.0), folder


def test_a_plan_has_what_the_time_allows(frozen: tuple[TimePlan, Study, Path]) -> None:
    plan, study, _ = frozen
    assert (plan.setting.regime, plan.setting.size) == ("frozen", 32)
    assert plan.methods == ("none", "oversampling")
    assert 3 <= plan.now.n_splits <= 12  # of 120 s / 10 s
    assert plan.now.n_seeds == 1
    assert plan.total <= 0.92 * 120
    assert len(study.splits) == plan.now.n_splits
    for metric, difference in plan.now.detectable.items():
        twice = plan.twice.detectable[metric]
        assert difference is not None
        assert twice is not None
        assert 0 < twice <= difference < 0.5


def test_the_cells_of_the_pilot_stay_in_the_study(frozen: tuple[TimePlan, Study, Path]) -> None:
    plan, study, folder = frozen
    run = open_run(folder)
    assert len(run.finished) >= 6  # three splits, two methods
    requested = set(study.cells())
    assert {record.cell for record in run.finished} <= requested
    assert plan.measured["splits of the pilot"] >= 3


def test_the_plan_is_stored_and_gives_the_same_study(
    frozen: tuple[TimePlan, Study, Path],
) -> None:
    plan, study, folder = frozen
    stored = read_plan(folder)
    assert stored is not None
    assert stored.plan == plan
    assert study.facts["plan"] == plan.to_json()
    request = planner_of(folder, FROZEN, 120.0).request
    loaded = Loaded(dataset=DATASET)
    again = replanned_study(loaded, stored.plan, request, name="cells", facts={})
    assert list(again.cells()) == list(study.cells())
    assert again.facts == {"plan": plan.to_json(), "notes": [], "skipped": []}


def test_named_splits_seeds_and_steps_are_kept(tmp_path: Path) -> None:
    fixed = FixedChoices(
        n_steps=3, size=32, n_splits=2, n_seeds=2, methods=("none", "class_weights")
    )
    plan, study = planned(tmp_path, fixed, 600.0)
    assert plan.setting.regime == "scratch"
    assert plan.setting.n_steps == 3
    assert (plan.now.n_splits, plan.now.n_seeds) == (2, 2)
    assert len(list(study.cells())) == 8


def test_a_time_too_short_for_any_answer_is_refused(tmp_path: Path) -> None:
    """Features take 2 s, training 17 s, the end 25 s: 48 s with the margin."""
    expected = r"at least 4\d s.* features 2 s, .*, reserve \d s\. Give --time 1m"
    with pytest.raises(SettingError, match=expected):
        planner_of(tmp_path, FROZEN, 8.0).settle(SURVEY)
    assert not (tmp_path / "plan.json").exists()


def test_a_busy_machine_is_named_before_it_is_measured(tmp_path: Path) -> None:
    said: list[str] = []
    replace(planner_of(tmp_path, FROZEN, 120.0), say=said.append).settle(SURVEY)
    assert "1.8 cores" in said[0]


def test_a_time_that_features_have_used_up_is_refused_before_any_cell(tmp_path: Path) -> None:
    planner = planner_of(tmp_path, FROZEN, 60.0)
    settled = planner.settle(SURVEY)
    planner.stages.started -= 30.0  # what has been measured took longer than was thought
    with pytest.raises(SettingError, match=r"start, reading and features 3\d s"):
        planner.plan(Loaded(dataset=DATASET), settled, name="cells", facts={})
    assert not (tmp_path / "cells").exists()


def test_a_plan_alone_measures_on_a_sample(tmp_path: Path) -> None:
    planner = planner_of(tmp_path, FROZEN, 600.0)
    planner = replace(planner, request=replace(planner.request, limit=0.6))
    plan, study = planner.plan(
        Loaded(dataset=DATASET), planner.settle(SURVEY), name="cells", facts={}
    )
    assert len(open_run(tmp_path).finished) >= 2
    (split,) = open_run(tmp_path).description.splits[:1]
    assert split.n_train < len(study.splits[0].train)
    assert plan.measured["splits of the pilot"] == 0  # a sample says nothing about the spread


def test_methods_that_do_not_fit_are_refused_with_the_time_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dear(*_arguments: object) -> dict[str, float]:
        return {"dcgan": 5000.0}

    monkeypatch.setattr("equipoise.time_plan.measuring.probed_seconds", dear)
    fixed = FixedChoices(n_steps=2, size=32, methods=("none", "dcgan"))
    with pytest.raises(SettingError, match=r"--time of at least 3 h 0\d min for none, dcgan"):
        planned(tmp_path, fixed, 600.0)


def test_steps_are_searched_for_on_the_first_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.time_plan.steps.FIRST", 2)
    monkeypatch.setattr("equipoise.time_plan.steps.MOST", 4)
    fixed = FixedChoices(regime="scratch", size=32, n_splits=2, methods=("none", "class_weights"))
    plan, study = planned(tmp_path, fixed, 600.0)
    assert plan.setting.n_steps in (2, 4)
    assert "validation" in plan.reasons["steps"]
    _, classifier = study.methods["none"].steps[-1]
    assert classifier.n_steps == plan.setting.n_steps


def test_nothing_is_searched_where_the_baseline_does_not_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a fit began")

    module = "equipoise.experiments.running.executors"
    monkeypatch.setattr(f"{module}.available_memory", lambda _device: 2**29)
    monkeypatch.setattr(ImageClassifier, "fit", refuse)
    fixed = FixedChoices(regime="scratch", size=32, n_splits=2, methods=("none", "class_weights"))
    with pytest.raises(SettingError, match=r"0\.5 GB of free memory, got none"):
        planned(tmp_path, fixed, 600.0)


def test_finetuning_replaces_frozen_features_where_it_ranks_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All layers of an untrained network take the place of those of a pretrained one."""
    module = "equipoise.time_plan.finetuning"

    def stand_in(planned: PlannedStudy) -> TrainingSetting:
        return replace(planned.setting, regime="scratch", pretrained=None)

    monkeypatch.setattr(f"{module}.LEAST", 0.0)
    monkeypatch.setattr(f"{module}.finetune_setting", stand_in)
    monkeypatch.setattr(f"{module}.verdict_of_trial", lambda _planned, _trial: (True, "better"))
    monkeypatch.setattr("equipoise.time_plan.steps.FIRST", 2)
    monkeypatch.setattr("equipoise.time_plan.steps.MOST", 4)
    fixed = FixedChoices(size=32, n_splits=2, methods=("none", "class_weights"))
    planner = planner_of(tmp_path, fixed, 7200.0)
    setting = TrainingSetting(
        regime="frozen",
        network="small_cnn",
        pretrained="random",
        size=32,
        reasons={"regime": "here"},
    )
    settled = StoredPlan(seconds=7200.0, fixed=fixed, setting=setting)
    plan, study = planner.plan(Loaded(dataset=DATASET), settled, name="cells", facts={})
    assert (plan.setting.regime, plan.setting.n_steps) == ("scratch", 4)
    assert plan.reasons["regime"] == "better"
    assert isinstance(study.methods["none"].steps[-1][1], ImageClassifier)
    run = open_run(tmp_path)
    names = {step.class_name for record in run.finished for step in record.steps}
    assert names == {"equipoise.estimators.classifier.ImageClassifier"}


@pytest.mark.parametrize(("counts", "leave_out"), [((60, 16), False), ((60, 10), True)])
def test_a_class_that_is_too_small_is_named(counts: tuple[int, int], leave_out: bool) -> None:
    dataset = cells(counts, size=32)
    splits = hold_out(dataset, n_splits=2, test=0.25, validation=0.25)
    power = StudyPower(
        dataset=dataset,
        splits=splits,
        primary_metric="balanced_accuracy",
        options=Options(
            methods=("none", "crt"),
            droppable=False,
            extendable=False,
            fixed_units=None,
            n_seeds=1,
            most=2,
        ),
        frozen=True,
    )
    outlook = power.outlook(2, 2)
    assert set(outlook.detectable.values()) == {None}
    assert "of class abnormal" in outlook.obstacle
    assert ("leave abnormal out" in outlook.obstacle) is leave_out
