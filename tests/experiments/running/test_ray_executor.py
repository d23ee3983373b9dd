"""Needs Ray (`pip install 'equipoise[ray]'`); `make ray` installs it and runs these tests."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import ray_executor
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.protocols import Observer
from equipoise.experiments.running.ray_executor import RayExecutor, witness_file
from equipoise.experiments.running.ray_worker import look_around
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.store import RunStore

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'equipoise[ray]'")
FIXTURES = Path(__file__).parents[2] / "fixtures"
VARYING = ("record.json", "checksums.json")  # durations and memory

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


class Logbook(Observer):
    def __init__(self) -> None:
        self.began_cells: list[Cell] = []
        self.ended_cells: list[Cell] = []

    def began(self, cell: Cell) -> None:
        self.began_cells.append(cell)

    def ended(self, cell: Cell, record: Any) -> None:
        self.ended_cells.append(cell)


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    """Ray on this machine, whose workers can import the fakes and are as fast as this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(FIXTURES), *filter(None, sys.path)]))
        patch.setenv("RAY_worker_niceness", "0")
        executor = RayExecutor(workers=2, device="cpu")
        assert executor.n_workers == 2
        yield executor
        ray.shutdown()


def files_of(store: RunStore, cells: Sequence[Cell]) -> dict[str, bytes]:
    files = {}
    for cell in cells:
        folder = store.cell_folder(cell)
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in VARYING:
                files[f"{cell} {path.relative_to(folder)}"] = path.read_bytes()
    return files


@pytest.fixture
def study(toy: ImageDataset) -> Study:
    budget = Budget(n_steps=3, gan_steps=2, gan_batch_size=8, device="cpu")
    methods = build_methods(["none", "dcgan", "dcgan_curated"], budget)
    return Study(
        name="toy", dataset=toy, splits=hold_out(toy, n_splits=1), methods=methods, seeds=(0,)
    )


def test_cells_have_the_bytes_of_those_trained_here(
    executor: RayExecutor, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, seen, unseen = (RunStore(tmp_path / name) for name in ("here", "seen", "unseen"))
    run_study(study, here, executor=InProcess())
    cells = list(study.cells())
    expected = files_of(here, cells)
    log = Logbook()
    run_study(study, seen, executor=executor, observer=log)
    assert files_of(seen, cells) == expected
    assert sorted(map(str, log.ended_cells)) == sorted(map(str, log.began_cells))

    # workers that do not see the run folder
    monkeypatch.setattr(ray_executor._Run, "_blind_nodes", lambda _: ["elsewhere"])
    run_study(study, unseen, executor=executor)
    assert files_of(unseen, cells) == expected
    assert not list(unseen.workspace.glob("gan*"))
    curated = unseen.record(Cell("dcgan_curated", "split-0", 0)).to_json()
    assert curated["resumed"]  # by the fit of dcgan, which traveled

    # images that are too many for the object store
    monkeypatch.setattr(ray_executor, "SHARE_OF_STORE", 0.0)
    with pytest.raises(SettingError, match=r"object store.*elsewhere"):
        run_study(study, RunStore(tmp_path / "large"), executor=executor)


def test_a_cell_that_loses_three_workers_fails_and_the_others_finish(
    executor: RayExecutor, make_study: Callable[..., Study], fakes: Any, tmp_path: Path
) -> None:
    study = make_study(seeds=(0,), splits=make_study().splits[:1])
    trouble = {
        "dies": Pipeline([("classify", fakes.NearestMean(trouble="dies"))]),
        "raises": Pipeline([("classify", fakes.NearestMean(trouble="no memory"))]),
    }
    study = make_study(seeds=(0,), splits=study.splits, methods={**trouble, **study.methods})
    store, log = RunStore(tmp_path / "run"), Logbook()
    run_study(study, store, executor=executor, observer=log)
    dead = store.record(Cell("dies", "split-0", 0))
    assert isinstance(dead, FailedCellRecord)
    assert "3 workers" in dead.error
    failed = store.record(Cell("raises", "split-0", 0))
    assert isinstance(failed, FailedCellRecord)
    assert "no memory" in failed.error
    assert len(log.ended_cells) == len(list(study.cells()))
    here = RunStore(tmp_path / "here")
    run_study(make_study(seeds=(0,), splits=study.splits), here, executor=InProcess())
    cells = [cell for cell in study.cells() if cell.method not in trouble]
    assert files_of(store, cells) == files_of(here, cells)


def test_resources_follow_threads_and_memory(executor: RayExecutor) -> None:
    assert executor.reserved == {"num_cpus": 1.0, "num_gpus": 0.0}
    assert executor.limited(1).n_on_machine == 1
    assert executor.limited(1).reserved["num_cpus"] == 2.0
    assert RayExecutor(device="cuda", workers=2).reserved["num_gpus"] == 1.0
    assert executor.free_memory("cpu") > 2**28
    with pytest.raises(SettingError, match="at least 1 worker"):
        RayExecutor(workers=0)


def test_a_node_sees_the_run_if_it_reads_the_witness(tmp_path: Path) -> None:
    with witness_file(tmp_path / "workspace", "token") as path:
        assert look_around(path, "token").sees_run
        assert not look_around(path, "another").sees_run
    assert not look_around(path, "token").sees_run


def test_other_versions_are_refused_with_the_node(
    executor: RayExecutor, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {**versions(), "torch": "1.0"}
    monkeypatch.setattr(ray_executor, "versions", lambda: mine)
    with pytest.raises(SettingError, match=r"torch 1\.0 on the node"):
        run_study(study, RunStore(tmp_path / "run"), executor=executor)
