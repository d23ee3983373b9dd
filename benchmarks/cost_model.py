"""A model of what a study costs in time, memory and traffic, checked against two runs.

Usage: python -m benchmarks.cost_model [--large] [--json FILE]

A cell of `ImageClassifier` takes

    CPU seconds = start + steps * per_step + passed * per_image,

where `passed` images are scored without gradients: the validation images at every evaluation and
at the end, the test images, both under two checkpoint policies; `per_step` and `per_image` grow
with the pixels of an image. The three constants are solved from three cells of 32 px. Two runs of
other sizes, one of them of 48 px, are then predicted and trained. `python -m benchmarks.million`
measures what is done once for all cells, `python -m benchmarks.growth` tables and report. With
--large nothing is measured: what the constants in docs/results say of 10^7 images, 10,000 cells and
1,000 GPUs is added to the file.
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

from equipoise.atomic import read_json, write_json
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.image_rows import DIGEST

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


RESULTS = Path("docs/results")
SCORE_BYTES = 8 * 2 * POLICIES  # of an image in the predictions of a cell: two classes
TEST, VALIDATION = 0.25, 0.15  # shares of the images; see `hold_out`


def large_study(
    costs: Costs, *, n_images: int, n_cells: int, n_workers: int, side: int, n_steps: int
) -> dict[str, float]:
    """Say what a study on gray images of two classes would take, by the measured constants.

    Training is that of a core of the measured machine: how much faster a GPU is was not measured.
    """
    growth, gigabytes = (side / SIDE) ** 2, 1e-9 * n_images * side**2
    n_test, n_held_out = TEST * n_images, (TEST + VALIDATION) * n_images
    n_evaluations = math.ceil(n_steps / ImageClassifier().evaluate_every)
    passed = n_evaluations * VALIDATION * n_images + POLICIES * n_held_out
    by_stage = {stage["of"]: stage for stage in read_json(RESULTS / "growth.json")["growth"]}
    tables = by_stage["test_images"]
    largest = tables["points"][-1]
    per_cell = largest["seconds"]["tables"] / TABLE_CELLS
    per_cell *= (n_test / largest["size"]) ** max(1.0, tables["exponents"]["tables"])
    return {
        "images": n_images,
        "cells": n_cells,
        "workers": n_workers,
        "side": side,
        "steps": n_steps,
        "images_gb": round(gigabytes, 1),
        "read_by_all_workers_tb": round(n_workers * gigabytes / 1000, 1),
        "core_hours_of_a_cells_steps": round(growth * n_steps * costs.per_step / 3600, 2),
        "core_hours_of_a_cells_scoring": round(growth * passed * costs.per_image / 3600, 2),
        "scores_of_a_cell_mb": round(1e-6 * n_held_out * SCORE_BYTES),
        "scores_of_all_cells_tb": round(1e-12 * n_cells * n_held_out * SCORE_BYTES, 2),
        "core_hours_of_tables": round(n_cells * per_cell / 3600, 2),
        "hashes_of_images_mb": round(1e-6 * n_images * DIGEST),
    }


TABLE_CELLS = 4  # of the stage `test_images` of benchmarks.growth
CALIBRATED = (
    Workload(n_images=100, side=SIDE, n_steps=5),
    Workload(n_images=100, side=SIDE, n_steps=60),
    Workload(n_images=4_000, side=SIDE, n_steps=5),
)
CHECKED = (
    Workload(n_images=400, side=SIDE, n_steps=40, n_seeds=3),
    Workload(n_images=1_500, side=48, n_steps=100, n_splits=2),
)
LARGE_STUDIES = (
    {"n_images": 10**5, "n_cells": 100, "n_workers": 8, "side": 64, "n_steps": 2_000},
    {"n_images": 10**7, "n_cells": 10_000, "n_workers": 1_000, "side": 64, "n_steps": 2_000},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="extrapolate, measure nothing")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    if arguments.large:
        path = arguments.json or RESULTS / "cost_model.json"
        content = dict(read_json(path))
        costs = Costs(**content["costs"])
        content["large"] = [large_study(costs, **study) for study in LARGE_STUDIES]
        print(content["large"])
        write_json(path, content)
        return
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
