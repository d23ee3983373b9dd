"""Whether a planned run kept its time and its promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.cli.plan_text import kept_sentence
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.time_plan import view
from equipoise.time_plan.kept import kept_plan
from equipoise.time_plan.plan import FixedChoices, Outlook, TimePlan, TrainingSetting

PLAN = TimePlan(
    seconds=600.0,
    setting=TrainingSetting(regime="scratch", network="small_cnn", pretrained=None, size=64),
    methods=("none", "gan"),
    now=Outlook(n_splits=3, n_seeds=1, detectable={"balanced_accuracy": 0.2, "auroc": None}),
    twice=Outlook(n_splits=5, n_seeds=1, detectable={"balanced_accuracy": 0.15, "auroc": 0.1}),
    stages={"reading": 4.0, "training": 500.0},
    cell_seconds={"none": 1.25, "crt": 2.0},
    measured={"splits of the pilot": 3.0},
    reasons={"size": "why"},
    fixed=FixedChoices(),
)
ARMS = {"none": (1.0, 0.0), "gan": (1.5, 0.2), "vae": (1.4, 0.3)}


def planned_run(write_run: Callable[..., Path], plan: TimePlan, **seconds: float) -> Path:
    folder = write_run(ARMS, n_seeds=3, n_splits=3, counts=(60, 30))
    study = read_json(folder / "study.json")
    study["facts"]["plan"] = plan.to_json()
    write_json(folder / "study.json", study)
    write_json(folder / "seconds.json", seconds)
    return folder


@pytest.mark.parametrize(("training", "kept"), [(700.0, True), (760.0, False)])
def test_a_run_may_take_a_quarter_more(
    training: float, kept: bool, write_run: Callable[..., Path]
) -> None:
    folder = planned_run(write_run, PLAN, training=training, report=400.0)
    contents = read_contents(folder)
    outcome = kept_plan(contents.run, contents.results)
    assert outcome is not None
    assert outcome.total == training  # the report is written while it is counted
    assert outcome.kept_its_time is kept
    section = view(contents)
    assert section is not None
    assert ("did not keep" in section.sentences[0]) is not kept


def test_what_was_promised_stands_beside_what_was_reached(
    write_run: Callable[..., Path],
) -> None:
    contents = read_contents(planned_run(write_run, PLAN, training=60.0))
    outcome = kept_plan(contents.run, contents.results)
    assert outcome is not None
    accuracy, _ = outcome.promises
    reached = [row.detectable for row in contents.results.compared_on("decided_balanced_accuracy")]
    assert accuracy.promised == 0.2
    assert min(reached) <= accuracy.reached <= max(reached)
    assert accuracy.reached == pytest.approx(sum(reached) / 2)
    sentence = kept_sentence(outcome)
    assert "0.200 and" in sentence
    assert "AUROC" not in sentence  # nothing was promised
    section = view(contents)
    assert section is not None
    assert [line.promised for line in section.promises] == ["0.200", "\N{EN DASH}"]
    assert [line.stage for line in section.stages] == ["reading", "training"]


def test_a_run_that_was_not_planned_has_no_plan(write_run: Callable[..., Path]) -> None:
    contents = read_contents(write_run(ARMS, n_seeds=3, counts=(60, 30)))
    assert kept_plan(contents.run, contents.results) is None
    assert view(contents) is None
