from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from tests.fixtures.logbook import Logbook

from equipoise.exceptions import SettingError
from equipoise.experiments.running import executors
from equipoise.experiments.running.executors import InProcess, Processes, default_executor
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]
TIMES = ("seconds", "peak_memory_mb", "peak_device_memory_mb")


def comparable(store: RunStore, cells: Sequence[Cell]) -> list[Any]:
    records = [store.record(cell).to_json() for cell in cells]
    stable_records = [
        {key: value for key, value in record.items() if key not in TIMES} for record in records
    ]
    names = ("predictions.npz", "history.csv", "classifier/model.json")
    return [
        stable_records,
        [(store.cell_folder(cell) / name).read_bytes() for cell in cells for name in names],
    ]


def test_workers_give_the_same_bytes_and_survive_one_that_dies(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    study = make_study(seeds=(0,), splits=make_study().splits[:1])
    here, there = RunStore(tmp_path / "here"), RunStore(tmp_path / "there")
    run_study(study, here, executor=InProcess())
    methods = {"dies": Pipeline([("classify", fakes.NearestMean(trouble="dies"))]), **study.methods}
    log = Logbook()
    run_study(
        make_study(seeds=(0,), methods=methods, splits=study.splits),
        there,
        executor=Processes(2),
        observer=log,
    )
    cells = list(study.cells())
    assert comparable(there, cells) == comparable(here, cells)
    dead = there.record(Cell("dies", "split-0", 0))
    assert isinstance(dead, FailedCellRecord)
    assert "killed by SIGKILL" in dead.error
    assert "fewer --workers" in dead.error
    assert sorted(map(str, log.ended_cells)) == sorted(map(str, log.began_cells))
    assert len(log.ended_cells) == 4
    assert ("generator", 20) in log.fits


def test_a_worker_that_cannot_start_is_told_and_not_waited_for(
    make_study: MakeStudy, fakes: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = make_study(methods={"none": Pipeline([("classify", fakes.Unloadable())])})
    with pytest.raises(SettingError, match="__name__ == '__main__'"):
        run_study(study, RunStore(tmp_path), executor=Processes(1))
    assert "a worker that cannot start" in capfd.readouterr().err


def test_methods_that_cannot_travel_are_named(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    local = type("Local", (fakes.NearestMean,), {})
    study = make_study(methods={"none": Pipeline([("classify", local())])})
    with pytest.raises(SettingError, match=r"methods .*Local"):
        run_study(study, RunStore(tmp_path), executor=Processes(2))


def test_threads_are_put_back(make_study: MakeStudy, tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(2)
    study = make_study(seeds=(0,))
    run_study(study, RunStore(tmp_path), executor=InProcess())
    assert torch.get_num_threads() == 2
    assert RunStore(tmp_path).record(Cell("none", "split-0", 0)).threads == 1


def test_the_default_uses_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "available_cores", lambda: 2)
    assert default_executor("cpu") == Processes(2)
    assert default_executor("cpu", workers=1) == InProcess()
    assert default_executor("cpu", workers=3) == Processes(3)
    monkeypatch.setattr(executors, "available_cores", lambda: 1)
    assert default_executor("cpu") == InProcess()
    with pytest.raises(SettingError, match="workers of 0"):
        default_executor("cpu", workers=0)
    with pytest.raises(SettingError, match="No device named"):
        default_executor("gpu")


def test_memory_bounds_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(executors, "available_cores", lambda: 64)
    memory = SimpleNamespace(available=4 * 2**30)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert default_executor("cpu") == Processes(2)
    assert default_executor("cpu", max_memory=2**31) == InProcess(max_memory=2**31)
    bounded = default_executor("cpu", workers=4, max_memory=2**31)
    assert bounded == Processes(4, max_memory=2**31)
    assert bounded.limited(1) == InProcess(max_memory=2**31)
    assert bounded.limited(2).max_memory == 2**31
    with pytest.raises(SettingError, match="max_memory of at least 1073741824, got 1"):
        default_executor("cpu", max_memory=1)
    assert np.isclose(executors.WORKER_BYTES, 1.5 * 2**30)
