"""What the terminal ends with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.cli.console import show_results
from equipoise.results.image_tables import summarize
from equipoise.runs.run import open_run


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
