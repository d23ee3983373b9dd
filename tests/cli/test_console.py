"""What a log file shows while images are read, and what the terminal ends with."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from equipoise.cli.console import reading_bar, show_results
from equipoise.results.image_tables import summarize
from equipoise.runs.run import open_run
from equipoise.training.progress import LOG_SECONDS


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
    monkeypatch.setattr("equipoise.cli.console.time", SimpleNamespace(monotonic=lambda: now[0]))
    with reading_bar("Reading cases") as progress:
        for done in range(1, 3001):
            now[0] = done * LOG_SECONDS / 1000
            progress(done, 3000)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Reading cases: 1,000 of 3,000", "Reading cases: 2,000 of 3,000"]
