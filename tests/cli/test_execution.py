from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.cli import execution
from equipoise.cli.execution import (
    execute,
    load_study,
    refusal_after_summary,
    stopping_is_explained,
)
from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.datasets import cells
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.study import Study
from equipoise.runs.stage_seconds import TRAINING, read_stage_seconds

MakeStudy = Callable[..., Study]


def test_an_interrupted_run_says_how_to_go_on_and_counts_its_seconds(
    make_study: MakeStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(_folder: Path) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "write_tables", stopped)  # after the training
    with pytest.raises(KeyboardInterrupt), stopping_is_explained():
        execute(make_study(seeds=(0,)), tmp_path / "run", InProcess(), device="cpu")
    assert "Stopped. " in capsys.readouterr().out
    assert TRAINING in read_stage_seconds(tmp_path / "run")


def test_the_report_is_written_before_anything_is_printed(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError

    monkeypatch.setattr(execution, "gather", lambda *_: None)
    monkeypatch.setattr("equipoise.cli.console.show_results", fail)
    with pytest.raises(OSError):  # noqa: PT011 (it has no message)
        execute(make_study(seeds=(0,)), tmp_path / "run", InProcess(), device="cpu")
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_study_file_is_said_to_be_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.py").write_text("print('executed')")
    with pytest.raises(SettingError, match="got nothing"):
        load_study(tmp_path / "study.py")
    said, executed = capsys.readouterr().out.splitlines()
    assert "study.py is a program" in said
    assert executed == "executed"


@pytest.mark.parametrize("error", [DataError("no"), LeakageError("no")])
def test_a_refusal_shows_what_was_read(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """Patients in a table beside the images answer most copies on both sides of a split."""
    loaded = Loaded(dataset=cells((4, 3), size=32), notes=("A table beside has patients.",))
    with pytest.raises(type(error)), refusal_after_summary(loaded):
        raise error
    printed = capsys.readouterr().out
    assert "Read: 7 images" in printed
    assert "A table beside has patients." in printed
