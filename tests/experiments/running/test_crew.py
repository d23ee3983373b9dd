"""How worker processes share out cells, fits and GPUs; the workers are fakes, so nothing trains."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.logbook import Logbook

from equipoise.experiments.running import executors
from equipoise.experiments.running.available_memory import GIB
from equipoise.experiments.running.executors import InProcess, Processes, default_executor
from equipoise.experiments.running.workers import CROWDED, DIED, ENDED, READY
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord


def cell(name: int) -> Cell:
    return Cell(f"method-{name}", "split-0", 0)


class Trial:
    """A task and its workers: which cells are trained where at once, and what becomes of them."""

    def __init__(self, fits: Sequence[frozenset[str]], ends: Sequence[str]) -> None:
        self.fits = {cell(i): names for i, names in enumerate(fits)}
        self.ends = {cell(i): deque([end]) for i, end in enumerate(ends)}
        self.ready: set[str] = set()
        self.dead: set[Cell] = set()
        self.workers: list[FakeWorker] = []
        self.started: list[str | None] = []  # devices
        self.devices: dict[Cell, str | None] = {}
        self.alone: set[Cell] = set()
        self.choices: deque[int] = deque()

    def shared_fits(self, of_cell: Cell) -> frozenset[str]:
        return self.fits[of_cell]

    def portable(self) -> None:
        pass

    def record(self, cell: Cell) -> FailedCellRecord | None:
        if cell not in self.dead:
            return None
        unknown: dict[str, Any] = {"steps": (), "fingerprint": "", "versions": {}, "machine": {}}
        return FailedCellRecord(cell=cell, threads=1, error="", error_type="", **unknown)

    def start(self, *_arguments: object, device: str | None, **_settings: object) -> "FakeWorker":
        self.started.append(device)
        self.workers.append(FakeWorker(self, device))
        return self.workers[-1]

    def wait(self, connections: Sequence["FakeWorker"]) -> list["FakeWorker"]:
        busy = [worker for worker in connections if worker.cell or not worker.ready]
        assert busy, "no message will ever come"
        return [busy[(self.choices.popleft() if self.choices else 0) % len(busy)]]

    def training(self) -> dict[Cell, "FakeWorker"]:
        return {worker.cell: worker for worker in self.workers if worker.cell}


class FakeWorker:
    def __init__(self, trial: Trial, device: str | None) -> None:
        self.trial, self.device = trial, device
        self.cell: Cell | None = None
        self.alone = self.ready = False

    @property
    def connection(self) -> "FakeWorker":
        return self

    @property
    def idle(self) -> bool:
        return self.ready and self.cell is None

    def begin(self, of_cell: Cell, *, alone: bool) -> None:
        beside = self.trial.training()
        in_work = {fit for other in beside for fit in self.trial.fits[other] - self.trial.ready}
        assert not self.trial.fits[of_cell] & in_work
        neighbors = [worker for worker in beside.values() if worker.device == self.device]
        assert not neighbors or not (alone or any(worker.alone for worker in neighbors))
        if alone:
            self.trial.alone.add(of_cell)
        self.cell, self.alone = of_cell, alone
        self.trial.devices[of_cell] = self.device

    def listen(self) -> str:
        if not self.ready:
            self.ready = True
            return READY
        assert self.cell
        ends = self.trial.ends[self.cell]
        end = ends.popleft() if ends else ENDED
        if end == CROWDED and self.cell in self.trial.alone:
            end = ENDED
        if end == ENDED:
            self.trial.ready |= self.trial.fits[self.cell]
        if end == DIED:
            self.trial.dead.add(self.cell)
            self.trial.workers.remove(self)
        return end

    def kill(self) -> None:
        self.trial.workers.remove(self)


@pytest.fixture
def attempt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Trial, Logbook]]:
    def run(
        fits: Sequence[frozenset[str]],
        ends: Sequence[str],
        executor: Processes,
        choices: Sequence[int] = (),
    ) -> tuple[Trial, Logbook]:
        trial, observer = Trial(fits, ends), Logbook()
        trial.choices.extend(choices)
        monkeypatch.setattr(executors, "Worker", trial.start)
        monkeypatch.setattr(executors, "wait", trial.wait)
        executor.run(list(trial.fits), trial, observer)  # type: ignore[arg-type]
        return trial, observer

    return run


CELLS = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("abc"), max_size=2),
        st.sampled_from([ENDED, ENDED, CROWDED, DIED]),
    ),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(CELLS, st.integers(1, 5), st.integers(0, 2), st.lists(st.integers(0, 4), max_size=40))
def test_every_cell_ends_once_and_no_fit_is_made_twice_at_once(
    attempt: Callable[..., tuple[Trial, Logbook]],
    cells: list[tuple[frozenset[str], str]],
    n_workers: int,
    n_gpus: int,
    choices: list[int],
) -> None:
    fits, ends = zip(*cells, strict=True)
    gpus = tuple(f"cuda:{index}" for index in range(n_gpus))
    trial, observer = attempt(fits, ends, Processes(n_workers, devices=gpus), choices)
    assert sorted(map(str, observer.ended_cells)) == sorted(map(str, trial.fits))
    assert sorted(map(str, observer.began_cells)) == sorted(map(str, trial.fits))
    assert not trial.workers


def test_gpus_are_shared_out_and_a_crowded_cell_is_alone_on_its_own(
    attempt: Callable[..., tuple[Trial, Logbook]],
) -> None:
    nothing = [frozenset[str]()] * 6
    ends = [CROWDED, ENDED, ENDED, ENDED, ENDED, ENDED]
    two = ("cuda:0", "cuda:1")
    trial, _ = attempt(nothing, ends, Processes(4, devices=two), [0, 1, 2, 3])
    assert trial.started[:4] == [*two, *two]
    assert set(trial.devices.values()) == set(two)
    assert trial.alone == {cell(0)}
    trial, _ = attempt(nothing[:2], ends[1:3], Processes(2, devices=two), [0, 1])
    assert trial.devices == {cell(0): "cuda:0", cell(1): "cuda:1"}
    assert trial.alone == {cell(0), cell(1)}


def test_workers_follow_the_gpus_and_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    free = {0: 30 * GIB, 1: 20 * GIB}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free[gpu.index], 40 * GIB))
    two = ("cuda:0", "cuda:1")
    assert default_executor("auto") == default_executor("cuda") == Processes(2, devices=two)
    assert default_executor("cuda:1") == InProcess()
    assert default_executor("cuda", workers=1) == InProcess()
    assert default_executor("cuda:1", workers=2) == Processes(2, devices=("cuda:1",))
    crowd = Processes(6, devices=two)
    assert (crowd.n_on_machine, crowd.n_sharing) == (6, 3)
    assert crowd.free_memory("auto") == 20 * GIB
    assert crowd.limited(2) == Processes(4, devices=two)
    assert crowd.limited(1) == Processes(2, devices=two)
    assert Processes(2, devices=("cuda:1",)).limited(1) == InProcess()
