"""The pilot: the first cells of a study, whose times and spreads the plan is computed from."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from equipoise.atomic import remove_file
from equipoise.experiments.running.cell_timer import CellTimer
from equipoise.experiments.running.load_generator import busy_cores
from equipoise.experiments.running.preparation import prepare_study
from equipoise.experiments.running.probes import ImageProbe
from equipoise.experiments.running.protocols import Executor, Observer
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.results.tables import write_all_tables
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FinishedCellRecord
from equipoise.runs.run import Run, open_run
from equipoise.runs.stage_seconds import PREPARING, TABLES, TRAINING, StageClock
from equipoise.runs.store import SHARED_FILES, RunStore
from equipoise.time_plan.machine import threads
from equipoise.time_plan.plan import FILE
from equipoise.training.progress import listening

OVERHEAD = 1.1  # seconds of a cell over those that its record counts, where it was not watched


@dataclass(kw_only=True)
class Pilot:
    """Trains the first cells of a study in its run folder, where they stay.

    Args:
        store: The run folder.
        executor: Where cells are trained.
        observer: Who watches.
        stages: Counts the seconds of every stage.

    Attributes:
        start: Seconds until the workers train.
    """

    store: RunStore
    executor: Executor
    observer: Observer
    stages: StageClock
    start: float = 0.0
    _seconds: dict[Cell, float] = field(default_factory=dict)

    def prepare(self, study: Study) -> None:
        """Do the work that the cells share: the features of frozen networks."""
        with self.stages.stage(PREPARING), self.store.lock(), listening(self.observer.prepared):
            prepare_study(study, self.store.workspace)

    def train(self, study: Study, n_splits: int) -> Mapping[str, float]:
        """Train all methods on the first splits; return the mean seconds of a cell by method."""
        timer = CellTimer(self.observer)
        began = timer.clock()
        part = replace(study, splits=study.splits[:n_splits])
        with self.stages.stage(TRAINING):
            run_study(part, self.store, executor=self.executor, observer=timer)
        if timer.first_began is not None:
            self.start = max(self.start, timer.first_began - began)
        self._seconds |= timer.seconds
        by_method: dict[str, list[float]] = {}
        for cell in part.cells():
            if self.store.has_finished(cell):
                by_method.setdefault(cell.method, []).append(self._seconds_of(cell))
        return {method: sum(seconds) / len(seconds) for method, seconds in by_method.items()}

    def discard(self) -> None:
        """Remove the cells and what describes them: other cells will be trained instead."""
        _discard_cells(self.store)
        self._seconds = {}

    def tabulate(self) -> tuple[Run, float]:
        """Open the run and write its tables; return the run and the seconds for each cell."""
        before = self.stages.seconds.get(TABLES, 0.0)
        with self.stages.stage(TABLES):
            run = open_run(self.store.folder)
            write_all_tables(run)
        seconds = self.stages.seconds[TABLES] - before
        return run, seconds / max(1, len(run.finished))

    def _seconds_of(self, cell: Cell) -> float:
        if cell not in self._seconds:
            record = self.store.record(cell)
            if isinstance(record, FinishedCellRecord):
                self._seconds[cell] = OVERHEAD * sum(record.seconds.values())
        return self._seconds[cell]


def discard_plan(folder: Path) -> None:
    """Remove an unfinished plan from the folder of a run, with its cells, if there is one."""
    if (folder / FILE).is_file():
        _discard_cells(RunStore(folder))
        remove_file(folder / FILE)


def _discard_cells(store: RunStore) -> None:
    with store.lock():
        for name in SHARED_FILES:
            remove_file(store.folder / name)
        shutil.rmtree(store.folder / "cells", ignore_errors=True)


def probed_seconds(study: Study, methods: Sequence[str], executor: Executor) -> dict[str, float]:
    """Estimate the seconds of what methods do before their classifier: fit generators and draw.

    Args:
        study: Its first split is probed.
        methods: Methods of the study.
        executor: Where the cells will be trained.
    """
    seconds = {}
    with busy_cores(executor.n_on_machine - 1), threads(executor.n_threads):
        probe = ImageProbe(study, time.perf_counter)
        for method in methods:
            *resamplers, _ = study.methods[method].steps
            seconds[method] = sum(probe.seconds(step) for _, step in resamplers)
    return seconds
