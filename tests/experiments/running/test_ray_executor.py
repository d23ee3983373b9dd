"""Needs Ray (`pip install 'equipoise[ray]'`); `make ray` installs it and runs these tests."""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from imblearn.pipeline import Pipeline
from tests.fixtures.logbook import Logbook

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import memory_plan, ray_cluster, ray_executor
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.memory_need import MethodNeed
from equipoise.experiments.running.memory_plan import fit_to_memory
from equipoise.experiments.running.ray_executor import WAIT_SECONDS, RayExecutor, _Run
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.store import RunStore
from equipoise.training.devices import resolve_device

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'equipoise[ray]'")
FIXTURES = Path(__file__).parents[2] / "fixtures"
VARYING = ("record.json", "checksums.json")  # durations and memory

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


@contextmanager
def reaching_workers() -> Iterator[None]:
    """Workers can import the fakes, and are as fast as this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(FIXTURES), *filter(None, sys.path)]))
        patch.setenv("RAY_worker_niceness", "0")
        yield


@contextmanager
def ending_with_ray() -> Iterator[ExitStack]:
    """End Ray after the block, and check that none of its processes is left."""
    of_ray = []
    with ExitStack() as stack:
        stack.callback(ray.shutdown)
        yield stack
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "ray" in " ".join(process.cmdline()):
                    of_ray.append(process)
        assert of_ray
    assert not psutil.wait_procs(of_ray, timeout=20)[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs and a node with two, on this machine."""
    from ray.cluster_utils import Cluster

    with reaching_workers(), ending_with_ray() as stack:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        stack.callback(cluster.shutdown)
        stack.callback(ray.shutdown)
        cluster.add_node(num_cpus=2)
        yield cluster


@pytest.fixture(scope="module")
def executor(cluster: Any) -> RayExecutor:
    executor = RayExecutor(cluster.address, workers=2, device="cpu")
    assert executor.n_workers == 2
    return executor


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
    methods = build_methods(["none", "dcgan", "dcgan@0.5"], budget)
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
    monkeypatch.setattr(ray_executor, "blind_nodes", lambda *_: ["elsewhere"])
    run_study(study, unseen, executor=executor)
    assert files_of(unseen, cells) == expected
    assert not list(unseen.workspace.glob("gan*"))
    half_dose = unseen.record(Cell("dcgan@0.5", "split-0", 0)).to_json()
    assert half_dose["resumed"]  # by the fit of dcgan, which traveled

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
    assert RayExecutor(device="cuda").reserved["num_gpus"] == 1.0
    assert executor.free_memory("cpu") > 2**28
    with pytest.raises(SettingError, match="at least 1 worker"):
        RayExecutor(workers=0)


def test_a_cell_reserves_a_share_of_a_gpu_as_memory_allows(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [{"Resources": {"CPU": 8.0, "GPU": 2.0}}, {"Resources": {"CPU": 3.0, "GPU": 1.0}}]
    monkeypatch.setattr(RayExecutor, "nodes", lambda _self: nodes)
    monkeypatch.setattr(RayExecutor, "free_memory", lambda _self, _device: 12 * 2**30)
    one_each, crowd = RayExecutor(), RayExecutor(workers=12)
    assert (one_each.n_workers, one_each.n_sharing) == (3, 1)
    assert one_each.reserved == {"num_cpus": 1.0, "num_gpus": 1.0}
    assert (crowd.n_workers, crowd.n_on_machine, crowd.n_sharing) == (11, 8, 4)
    assert crowd.reserved["num_gpus"] == 0.25
    need = MethodNeed(data=5 * 2**30, steps=())  # 5.7 GiB with the process
    needs = dict.fromkeys(study.methods, need)
    monkeypatch.setattr(memory_plan, "method_needs", lambda *_args, **_kwargs: needs)
    monkeypatch.setattr(memory_plan, "is_ample", lambda *_args: False)
    _, chosen, plan = fit_to_memory(study, crowd, RunStore(tmp_path))
    assert plan.sentences[0].startswith("1 worker on each GPU instead of 4")
    assert (chosen.n_workers, chosen.n_sharing) == (3, 1)
    on_cpu = RayExecutor(device="cpu")
    assert (on_cpu.n_workers, on_cpu.reserved["num_gpus"]) == (11, 0.0)


def test_a_cluster_that_cannot_train_a_cell_is_refused(
    executor: RayExecutor, study: Study, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=r"a GPU \(--device\)"):
        run_study(study, RunStore(tmp_path), executor=replace(executor, device="cuda"))


def test_a_driver_waits_for_a_node_but_not_forever() -> None:
    run = _Run.__new__(_Run)
    resources = {"num_cpus": 2.0}
    executor = SimpleNamespace(n_possible=0, reserved=resources, device="cpu", nodes=lambda: [1])
    run.executor = executor  # type: ignore[assignment]
    run.last_possible = monotonic() - WAIT_SECONDS + 60
    run._check_resources()
    run.last_possible -= 120
    with pytest.raises(SettingError, match=r"2 CPUs for a cell, got 1 nodes without"):
        run._check_resources()
    executor.n_possible = 3
    run._check_resources()
    executor.n_possible = 0
    run._check_resources()


def test_a_full_disk_of_the_driver_costs_no_finished_cell(
    executor: RayExecutor,
    make_study: Callable[..., Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, store, here = make_study(), RunStore(tmp_path / "run"), RunStore(tmp_path / "here")
    accept = RunStore.accept
    accepted: list[Cell] = []

    def on_a_small_disk(self: RunStore, cell: Cell, package: bytes) -> None:
        if len(accepted) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(cell))
        accept(self, cell, package)
        accepted.append(cell)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "accept", on_a_small_disk)
        with pytest.raises(OSError, match="No space left"):
            run_study(study, store, executor=executor)
    assert [cell for cell in study.cells() if store.has_finished(cell)] == sorted(
        accepted, key=list(study.cells()).index
    )
    log = Logbook()
    monkeypatch.setattr(ray_executor, "SHARE_OF_STORE", 0.0)  # the images stay in their file
    run_study(study, store, executor=executor, observer=log)
    assert (store.workspace / "dataset").is_dir()
    assert len(log.began_cells) == 10
    run_study(study, here, executor=InProcess())
    assert files_of(store, list(study.cells())) == files_of(here, list(study.cells()))


def test_other_versions_are_refused_with_the_node(
    executor: RayExecutor, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {**versions(), "torch": "1.0"}
    monkeypatch.setattr(ray_cluster, "versions", lambda: mine)
    with pytest.raises(SettingError, match=r"on the node .*torch 1\.0"):
        run_study(study, RunStore(tmp_path / "run"), executor=executor)


def test_a_node_that_is_lost_in_mid_cell_costs_nothing(
    cluster: Any,
    executor: RayExecutor,
    make_study: Callable[..., Study],
    fakes: Any,
    tmp_path: Path,
) -> None:
    """The third node of the cluster; it ends when a cell on it has reported its first step."""
    from ray._private.ray_constants import PROCESS_TYPE_RAYLET

    def study_with(pause: float) -> Study:
        slow = {"slow": Pipeline([("classify", fakes.Slow(pause=pause))])}
        return make_study(seeds=(0, 1, 2), splits=make_study().splits[:1], methods=slow)

    class LosesANode(Logbook):
        lost_cell: Cell | None = None

        def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
            if fit == on_doomed and doomed in cluster.worker_nodes:
                cluster.remove_node(doomed, allow_graceful=False)
                self.lost_cell = cell
            elif cell == self.lost_cell:
                self.fits.add((fit, step))

    store, here, log = RunStore(tmp_path / "run"), RunStore(tmp_path / "here"), LosesANode()
    doomed = cluster.add_node(num_cpus=1)
    [raylet] = doomed.all_processes[PROCESS_TYPE_RAYLET]
    on_doomed = f"child of {raylet.process.pid}"
    warm = ray.remote(num_cpus=1)(resolve_device)  # torch is imported: the cell begins at once
    here_only = ray_cluster.on_node(ray, doomed.node_id)
    ray.get(warm.options(scheduling_strategy=here_only).remote("cpu"))
    all_nodes = replace(executor, workers=None)
    assert all_nodes.n_workers == 3
    run_study(study_with(pause=3.0), store, executor=all_nodes, observer=log)
    assert log.lost_cell is not None
    assert on_doomed not in {fit for fit, _ in log.fits}
    assert log.fits  # the cell was trained again elsewhere
    study = study_with(pause=0.0)
    run_study(study, here, executor=InProcess())
    cells = list(study.cells())
    assert files_of(store, cells) == files_of(here, cells)
    assert len(log.began_cells) == len(log.ended_cells) == len(cells)
    until = monotonic() + 20  # Ray notices the loss of a worker before that of its node
    while all_nodes.n_workers > 2 and monotonic() < until:
        sleep(0.1)
    assert all_nodes.n_workers == 2
