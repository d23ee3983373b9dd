import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imblearn.pipeline import Pipeline
from rich.console import Console

from equipoise.experiments.running import progress, train_cell
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.running.forecast import Forecast
from equipoise.experiments.running.progress import Pace, announcement, duration, watching
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.outcome import Outcome
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


def watched(study: Study, folder: Path, *, terminal: bool) -> str:
    store, executor = RunStore(folder), InProcess()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    with watching(study, store, executor, console) as observer:
        run_study(study, store, executor=executor, observer=observer)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_pace_follows_the_measured_times() -> None:
    cells = [Cell("a", "split-0", seed) for seed in range(4)]
    now = 0.0
    pace = Pace(
        Forecast(seconds={"a": 10.0}, remaining=cells, n_finished=0, n_workers=1), clock=lambda: now
    )
    pace.waiting = list(cells)
    assert pace.remaining() == 40
    pace.began(cells[0])
    now = 4.0
    assert pace.remaining() == 36
    now = 20.0
    assert pace.ended(cells[0], done=True) == 20
    assert pace.remaining() == 60  # twice as slow as forecast
    pace.began(cells[1])
    now = 21.0
    pace.ended(cells[1], done=False)
    assert pace.remaining() == 40  # a failure teaches nothing


def test_a_log_has_a_line_for_each_cell(make_study: MakeStudy, fakes: Any, tmp_path: Path) -> None:
    methods = {
        **make_study().methods,
        "bad": Pipeline([("classify", fakes.NearestMean(trouble="no [memory]"))]),
    }
    study = make_study(methods=methods, seeds=(0,))
    lines = watched(study, tmp_path, terminal=False).splitlines()
    assert lines[0].startswith("8 cells to train")
    assert lines[1].startswith("  1/8 none, split-0, seed 0: ")
    assert lines[1].endswith(" left")
    assert lines[8].startswith("  8/8 bad, split-1, seed 0: failed: no [memory]")
    again = watched(study, tmp_path, terminal=False).splitlines()
    assert again[0].startswith("6 finished, 2 cells to train")
    assert again[1].startswith("6 of 8 cells")


def test_a_terminal_shows_the_fit_and_keeps_failures(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    methods = {
        "copies": make_study().methods["copies"],
        "bad": Pipeline([("classify", fakes.NearestMean(trouble="no"))]),
    }
    study = make_study(methods=methods, seeds=(0,))
    text = watched(study, tmp_path, terminal=True)
    assert "bad, split-1, seed 0: failed: no" in text
    assert "copies, split-1, seed 0: 0 s" not in text
    assert "Study" in text


def test_what_was_noted_of_a_cell_is_printed_beside_bars_too(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(*arguments: Any, **_settings: Any) -> Outcome:
        outcome = fit_cell(*arguments)
        return replace(outcome, record=replace(outcome.record, notes=("In pieces of 8.",)))

    monkeypatch.setattr(train_cell, "fit_cell", noted)
    text = watched(make_study(seeds=(0,)), tmp_path, terminal=True)
    assert text.count("In pieces of 8.") == 6


def test_a_long_forecast_shows_what_is_timed(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    study = make_study(seeds=(0,))
    first, n_methods = next(iter(study.methods)), len(study.methods)
    lines = watched(study, tmp_path, terminal=False).splitlines()
    assert lines[0] == f"Timing a few steps of {first}, 1 of {n_methods} methods"


def test_nothing_to_do_is_said(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(seeds=(0,))
    run_study(study, RunStore(tmp_path), executor=InProcess())
    assert watched(study, tmp_path, terminal=False).startswith("All 6 cells are finished.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119.4, "119 s"), (121, "2 min"), (5300, "88 min"), (7800, "2 h 10 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_forecast_the_finished_cells_are_the_measure() -> None:
    now = [0.0]
    cells = [Cell("a", "split-0", seed) for seed in range(3)]
    forecast = Forecast(seconds={"a": 0.0}, remaining=cells, n_finished=0, n_workers=1)
    pace = Pace(forecast, clock=lambda: now[0])
    pace.waiting = list(cells)
    assert pace.left() == ""
    pace.began(cells[0])
    now[0] = 5.0
    pace.ended(cells[0], done=False)
    assert pace.left() == ""  # a failure measures nothing
    pace.began(cells[1])
    now[0] = 35.0
    pace.ended(cells[1], done=True)
    assert pace.left() == "30 s left"


def test_what_is_not_trained_step_by_step_is_not_forecast() -> None:
    cells = [Cell("a", "split-0", seed) for seed in range(2)]
    timed = Forecast(seconds={"a": 30.0}, remaining=cells, n_finished=0, n_workers=1)
    assert announcement(timed).endswith("about 60 s.")
    untimed = replace(timed, seconds={"a": 0.0})
    assert "about" not in announcement(untimed)
    assert "2 cells" in announcement(untimed)
