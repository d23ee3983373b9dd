"""What a log file shows while images are read, and what the terminal ends with."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from equipoise.cli.bars import reading_bar, working_bar
from equipoise.cli.console import show_results
from equipoise.results.image_tables import summarize
from equipoise.runs.run import open_run
from equipoise.training.progress import LOG_SECONDS, report


def test_what_is_wrong_stands_last_and_markup_is_escaped(
    write_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results = summarize(open_run(write_run({"none": (1.0, 0.0)})), n_draws=20)
    show_results(results, "Keep it.", ["Loss [of none] was still falling: train longer."])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-3:] == [
        "What to do: Keep it.",
        "Before you rely on this:",
        "- Loss [of none] was still falling: train longer.",
    ]
    show_results(results, "Keep it.")
    assert capsys.readouterr().out.strip().endswith("What to do: Keep it.")


def test_a_log_file_says_how_far_reading_is_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("equipoise.cli.bars.time", SimpleNamespace(monotonic=lambda: now[0]))
    with reading_bar("Reading cases") as progress:
        for done in range(1, 3001):
            now[0] = done * LOG_SECONDS / 1000
            progress(done, 3000)
    assert capsys.readouterr().out.splitlines() == [
        "Reading cases: about 29 s for 3,000",
        "Reading cases: 1,101 of 3,000, about 19 s left",
        "Reading cases: 2,101 of 3,000, about 9 s left",
    ]


def test_each_work_is_forecast_once_and_short_ones_never(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("equipoise.cli.bars.time", SimpleNamespace(monotonic=lambda: now[0]))
    with working_bar():
        for name, seconds in (("short", 8.0), ("long", 16.0)):
            for step in range(17):
                report(name, step, 16)
                now[0] += seconds / 16
    assert capsys.readouterr().out.splitlines() == [
        "long: about 15 s for 16",
        "long: 11 of 16, about 5 s left",
    ]
