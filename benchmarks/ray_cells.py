"""What a cell on Ray costs beside its training, and two workers against one.

`python -m benchmarks.ray_cells --json docs/results/ray_cells.json` (about two minutes on two quiet
cores; needs `equipoise[ray]`). Overhead is the time from sending a cell until it is stored, less
the seconds that its record names for resampling, training and prediction. The load of the machine
is written beside the numbers, because it decides them.
"""

import argparse
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equipoise.atomic import write_json
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import available_cores, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.protocols import Executor, Observer
from equipoise.experiments.running.ray_executor import RayExecutor
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.running.train_cell import StudyTask
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FinishedCellRecord
from equipoise.runs.store import RunStore

COUNTS = (300, 100)  # films of each class
SIDE = 64  # px
SHORT, LONG = 1, 150  # steps of a classifier: all overhead, mostly training
WORKERS = 2


class CellClock(Observer):
    """Notes when cells begin and end, and what they took beside their training."""

    def __init__(self) -> None:
        self.began_at: dict[Cell, float] = {}
        self.ended_at: dict[Cell, float] = {}
        self.overhead: list[float] = []

    def began(self, cell: Cell) -> None:
        self.began_at[cell] = time.perf_counter()

    def ended(self, cell: Cell, record: Any) -> None:
        assert isinstance(record, FinishedCellRecord), record
        self.ended_at[cell] = time.perf_counter()
        seconds = self.ended_at[cell] - self.began_at[cell]
        self.overhead.append(seconds - sum(record.seconds.values()))

    @property
    def seconds(self) -> float:
        """From the first cell's start to the last one's end."""
        return max(self.ended_at.values()) - min(self.began_at.values())


def study_of(n_steps: int, n_seeds: int) -> Study:
    dataset = chest_films(COUNTS, size=SIDE)
    budget = Budget(n_steps=n_steps, device="cpu")
    return Study(
        name="cells",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=1),
        methods=build_methods(["none", "oversampling"], budget),
        seeds=tuple(range(n_seeds)),
    )


def timed(study: Study, executor: Executor) -> CellClock:
    clock = CellClock()
    with TemporaryDirectory() as folder:
        run_study(study, folder, executor=executor, observer=clock)
    return clock


def overheads(executor: Executor) -> dict[str, float]:
    first, *following = timed(study_of(SHORT, n_seeds=8), executor).overhead
    return {
        "first_s": round(first, 3),
        "following_median_s": round(statistics.median(following), 3),
        "following_largest_s": round(max(following), 3),
    }


def traffic() -> dict[str, int]:
    """Return the bytes of a study once per node, of a cell on its way out, and on its way back."""
    from ray import cloudpickle

    study, cell = study_of(SHORT, n_seeds=1), Cell("oversampling", "split-0", 0)
    with TemporaryDirectory() as folder:
        task = StudyTask(study, RunStore(folder))
        package = task.train_away(cell, lambda *_report: None)
        return {
            "images": study.images.images.nbytes,
            "study_once_per_node": len(cloudpickle.dumps(task.with_images())),
            "cell_out": len(cloudpickle.dumps((cell, [], True))),
            "cell_back": len(package),
        }


def speedup(executor: RayExecutor, n_seeds: int) -> dict[str, float]:
    """Return the seconds of the same cells with one worker and with two, both started before."""
    timed(study_of(SHORT, n_seeds=2), executor)
    study = study_of(LONG, n_seeds)
    alone = timed(study, replace(executor, workers=1)).seconds
    two = timed(study, executor).seconds
    n_cells = len(list(study.cells()))
    return {
        "cells": n_cells,
        "one_worker_s": round(alone, 2),
        "two_workers_s": round(two, 2),
        "ratio": round(alone / two, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--seeds", type=int, default=4, help="two cells each, for the speedup")
    arguments = parser.parse_args()
    path = os.pathsep.join(filter(None, sys.path))
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": path})
    load, start = os.getloadavg()[0], time.perf_counter()
    executor = RayExecutor(workers=WORKERS, device="cpu")
    executor.connected()
    ray_start = time.perf_counter() - start
    numbers: dict[str, object] = {
        "command": "python -m benchmarks.ray_cells",
        "machine": {"cores": available_cores(), "load_before": round(load, 1)},
        "versions": versions(),
        "ray_start_s": round(ray_start, 2),
        "overhead_in_process": overheads(InProcess()),
        "overhead_ray": overheads(replace(executor, workers=1)),
        "bytes": traffic(),
        "speedup": speedup(executor, arguments.seeds),
    }
    print(numbers)
    if arguments.json:
        write_json(arguments.json, numbers)


if __name__ == "__main__":
    main()
