from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.cli import execution
from equipoise.cli.execution import execute, stopping_is_explained
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
        execute(make_study(seeds=(0,)), tmp_path / "run", workers=1, device="cpu")
    assert "Stopped. " in capsys.readouterr().out
    assert TRAINING in read_stage_seconds(tmp_path / "run")
