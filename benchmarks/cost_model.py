"""A model of what a study costs in time, memory and traffic, checked against two runs.

Usage: python -m benchmarks.cost_model [--json FILE]

A cell of `ImageClassifier` takes

    CPU seconds = start + steps * per_step + passed * per_image,

where `passed` images are scored without gradients: the validation images at every evaluation and
at the end, the test images, both under two checkpoint policies; `per_step` and `per_image` grow
with the pixels of an image. The three constants are solved from three cells of 32 px. Two runs of
other sizes, one of them of 48 px, are then predicted and trained. `python -m benchmarks.million`
measures what is done once for all cells, `python -m benchmarks.growth` tables and report.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from equipoise.atomic import write_json
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study

SIDE = 32  # px of the cells from which the constants are solved
POLICIES = 2  # of checkpoints, under which all held-out images are scored
MARGIN = 0.25  # how far a run may be from its prediction


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A study of one baseline.

    Attributes:
        n_images: Drawn films.
        side: px.
        n_steps: Of every cell.
        n_splits, n_seeds: Whose product are the cells.
    """

    n_images: int
    side: int
    n_steps: int
    n_splits: int = 1
    n_seeds: int = 1

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.n_splits * self.n_seeds

    def study(self) -> Study:
        """Return the study."""
        n_rare = self.n_images // 4
        films = chest_films((self.n_images - n_rare, n_rare), size=self.side)
        return Study(
            name="costs",
            dataset=films,
            splits=hold_out(films, n_splits=self.n_splits),
            methods=build_methods(["none"], Budget(n_steps=self.n_steps, device="cpu")),
            seeds=tuple(range(self.n_seeds)),
        )


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The constants, in CPU seconds; those of steps and images at `SIDE`."""

    start: float
    per_step: float
    per_image: float

    def seconds(self, workload: Workload) -> float:
        """Predict the CPU seconds of all cells of a workload."""
        amounts = amounts_of(workload, workload.study())
        growth = (workload.side / SIDE) ** 2
        constants = [self.start, growth * self.per_step, growth * self.per_image]
        return workload.n_cells * float(np.dot(amounts, constants))


def amounts_of(workload: Workload, study: Study) -> list[float]:
    """Return how often a cell pays each constant: once, for steps, for images that it scores."""
    split = study.splits[0]
    classifier = study.methods["none"].steps[-1][1]
    n_evaluations = math.ceil(workload.n_steps / classifier.evaluate_every)
    n_held_out = len(split.validation) + len(split.test)
    passed = n_evaluations * len(split.validation) + POLICIES * n_held_out
    return [1.0, float(workload.n_steps), float(passed)]


def measured(workload: Workload) -> float:
    """Train a workload in this process, and return its CPU seconds."""
    study = workload.study()
    start = time.process_time()
    with TemporaryDirectory() as folder:
        store = run_study(study, folder, executor=InProcess())
        if not all(map(store.has_finished, study.cells())):
            raise RuntimeError("A cell has failed.")
    return time.process_time() - start


def solve(workloads: Sequence[Workload], seconds: Sequence[float]) -> Costs:
    """Solve the constants from as many cells."""
    amounts = [amounts_of(workload, workload.study()) for workload in workloads]
    start, per_step, per_image = np.linalg.solve(np.array(amounts), np.array(seconds))
    return Costs(start=float(start), per_step=float(per_step), per_image=float(per_image))


CALIBRATED = (
    Workload(n_images=100, side=SIDE, n_steps=5),
    Workload(n_images=100, side=SIDE, n_steps=60),
    Workload(n_images=4_000, side=SIDE, n_steps=5),
)
CHECKED = (
    Workload(n_images=400, side=SIDE, n_steps=40, n_seeds=3),
    Workload(n_images=1_500, side=48, n_steps=100, n_splits=2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured(CALIBRATED[0])  # what a first fit finds in place for later ones
    costs = solve(CALIBRATED, [measured(workload) for workload in CALIBRATED])
    print(costs, flush=True)
    rows = []
    for workload in CHECKED:
        expected, actual = costs.seconds(workload), measured(workload)
        ratio = round(actual / expected, 3)
        row = {**asdict(workload), "predicted": round(expected, 2), "measured": round(actual, 2)}
        rows.append({**row, "ratio": ratio, "within_margin": abs(ratio - 1) <= MARGIN})
        print(rows[-1], flush=True)
    if arguments.json:
        content = {
            "checked": rows,
            "command": "python -m benchmarks.cost_model",
            "costs": asdict(costs),
            "load": round(os.getloadavg()[0], 1),
            "machine": machine(),
            "versions": versions(),
        }
        write_json(arguments.json, content)


if __name__ == "__main__":
    main()
