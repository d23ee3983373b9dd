"""The record of a plan: what is stored is what is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipoise.exceptions import DataError
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.time_plan.plan import (
    FixedChoices,
    Outlook,
    StoredPlan,
    TimePlan,
    TrainingSetting,
    read_plan,
)
from equipoise.time_plan.words import choices_in_words, promise

SETTING = TrainingSetting(
    regime="frozen", network="mobilenet_v2", pretrained="official", size=128, reasons={"size": "x"}
)
PLAN = TimePlan(
    seconds=600.0,
    setting=SETTING,
    methods=("none", "crt"),
    now=Outlook(n_splits=9, n_seeds=1, detectable={"auroc": 0.021, "balanced_accuracy": None}),
    twice=Outlook(n_splits=14, n_seeds=1, detectable={"auroc": 0.018}),
    stages={"reading": 4.0, "training": 300.5},
    cell_seconds={"none": 1.25, "crt": 2.0},
    measured={"splits of the pilot": 3.0},
    reasons={"size": "x"},
    fixed=FixedChoices(methods=("none", "crt"), n_seeds=1),
)


WITH_GENERATOR = replace(
    PLAN,
    methods=("none", "replay", "dcgan"),
    now=replace(
        PLAN.now,
        limits={"dcgan": 5},
        limited=Outlook(n_splits=5, n_seeds=1, detectable={"auroc": 0.03}),
    ),
)


@pytest.mark.parametrize("plan", [None, PLAN, WITH_GENERATOR])
def test_a_stored_plan_is_read_again(plan: TimePlan | None, tmp_path: Path) -> None:
    stored = StoredPlan(seconds=600.0, fixed=FixedChoices(n_steps=7), setting=SETTING, plan=plan)
    stored.store(tmp_path)
    assert read_plan(tmp_path) == stored


def test_a_plan_fills_the_records_of_a_study() -> None:
    protocol = PLAN.protocol(Protocol(rare_class="ill", seed=3))
    assert (protocol.methods, protocol.n_splits, protocol.n_seeds) == (("none", "crt"), 9, 1)
    assert (protocol.rare_class, protocol.seed) == ("ill", 3)
    budget = PLAN.setting.budget(Budget(augmentation="cell"))
    assert (budget.regime, budget.network, budget.pretrained) == (
        "frozen",
        "mobilenet_v2",
        "official",
    )
    assert (budget.augmentation, budget.n_steps) == ("cell", Budget().n_steps)
    assert (PLAN.n_cells, PLAN.total) == (18, 304.5)


def test_a_generator_may_have_fewer_splits() -> None:
    assert WITH_GENERATOR.split_limits == {"dcgan": 5}
    assert WITH_GENERATOR.n_cells == 9 + 9 + 5
    assert "of dcgan, on 5 splits, 0.030 in AUROC" in promise(WITH_GENERATOR.now)
    assert choices_in_words(WITH_GENERATOR)["splits"] == "9, 5 of them for dcgan"
    assert PLAN.split_limits == {}


def test_a_study_that_finds_nothing_says_why() -> None:
    outlook = Outlook(
        n_splits=3, n_seeds=1, detectable={"auroc": None}, obstacle="only 2 patients are tested"
    )
    assert promise(outlook).endswith("from the baseline, as only 2 patients are tested")
    few_runs = replace(outlook, detectable={"auroc": 1.2}, obstacle="")
    assert promise(few_runs).endswith("as so few runs find nothing")


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(DataError, match=r"plan\.json"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("source", "value"), [("network", "clinic.networks:OWN"), ("pretrained", "/home/other/w.pth")]
)
def test_only_the_choices_of_a_plan_name_modules_and_files(
    source: str, value: str, tmp_path: Path
) -> None:
    change: dict[str, Any] = {source: value}
    setting = replace(SETTING, **change)
    plan = replace(PLAN, setting=setting)
    for stored in (
        StoredPlan(seconds=600.0, fixed=PLAN.fixed, setting=setting),
        StoredPlan(seconds=600.0, fixed=PLAN.fixed, setting=SETTING, plan=plan),
    ):
        stored.store(tmp_path)
        with pytest.raises(DataError, match=value):
            read_plan(tmp_path)
    chosen = replace(PLAN.fixed, **change)
    StoredPlan(seconds=600.0, fixed=chosen, setting=setting).store(tmp_path)
    assert read_plan(tmp_path) is not None


@pytest.mark.parametrize(
    ("fixed", "complete"),
    [
        (FixedChoices(size=32, n_splits=3, n_seeds=3, n_steps=10), True),
        (FixedChoices(size=32, n_splits=3, n_seeds=3, regime="frozen"), True),
        (FixedChoices(size=32, n_splits=3, n_seeds=3), False),
        (FixedChoices(size=32, n_splits=3, n_seeds=3, regime="scratch"), False),
        (FixedChoices(n_splits=3, n_seeds=3, n_steps=10), False),
        (FixedChoices(), False),
    ],
)
def test_nothing_is_measured_where_nothing_is_open(fixed: FixedChoices, complete: bool) -> None:
    assert fixed.leave_nothing_open is complete
