"""What tables and report of a large study cost: CPU seconds, memory, reads, bootstrap draws.

Usage: python -m benchmarks.reporting [--cells METHODS SPLITS SEEDS] [--test IMAGES] [--files N]
                                      [--json FILE]

The run is written to a temporary folder with random predictions, those of both checkpoint policies;
nothing is trained. With --files, the cells of a split share so many files of predictions in turn:
large ones are then written in minutes. Memory is the anonymous part of the resident memory, pages
of mapped files apart. With --open the run is only opened, and all predictions are read, those of
one file that all cells share.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.special import softmax

from benchmarks.by_reference import Watch, anonymous_megabytes
from equipoise.atomic import read_arrays, read_json, write_json
from equipoise.experiments.running.environment import machine, versions
from equipoise.metrics.statistics import patient_draws
from equipoise.report.html import write_report
from equipoise.results.tables import write_all_tables
from equipoise.runs.cell_record import ImageCellRecord
from equipoise.runs.description import (
    ImageDatasetDescription,
    MethodDescription,
    SplitDescription,
    StepDescription,
    StudyDescription,
)
from equipoise.runs.run import open_run, requested_cells
from equipoise.testing.image_runs import write_splits
from equipoise.training.allocator import keep_freed_memory

CELLS = (18, 5, 5)  # methods, splits, seeds: 450 cells
N_TEST = 200  # test images of a split, two of each patient
PATIENTS_PER_TEST_IMAGE = 2.5  # of the study


def measure(
    n_methods: int,
    n_splits: int,
    n_seeds: int,
    *,
    n_test: int = N_TEST,
    n_classes: int = 2,
    n_files: int | None = None,
) -> dict[str, Any]:
    """Write a run, then its tables and report, and count what that takes."""
    keep_freed_memory()  # as the program does
    with tempfile.TemporaryDirectory() as folder:
        counts = class_counts(n_test, n_classes)
        write_run(Path(folder), n_methods, n_splits, n_seeds, counts, n_files=n_files)
        watch = Watch()
        with counted() as calls:
            start = time.process_time()
            run = open_run(folder)
            results = write_all_tables(run)
            tables = time.process_time() - start
            report = write_report(run, results)
            whole = time.process_time() - start
            size = report.stat().st_size
    return {
        "cells": n_methods * n_splits * n_seeds,
        "test_images": n_test,
        "classes": n_classes,
        "report_mb": round(size / 2**20, 2),
        "cpu_seconds": round(whole, 1),
        "cpu_seconds_of_tables": round(tables, 1),
        "memory_mb": round(watch.peak()),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "reads_of_predictions": calls["reads"],
        "bootstraps": calls["bootstraps"],
    }


def measure_opening(n_methods: int, n_splits: int, n_seeds: int, *, n_test: int) -> dict[str, Any]:
    """Write a run whose cells share one file of predictions, and read those of all cells."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder, counts = Path(name), class_counts(n_test, 2)
        write_run(folder, 1, 1, 1, counts)
        (first,) = (folder / "cells").rglob("predictions.npz")
        first = first.rename(folder / "shared.npz")
        description = describe(n_methods, n_splits, n_seeds, counts)
        write_json(folder / "study.json", description.to_json())
        (of_first,) = (folder / "cells").rglob("record.json")
        record = read_json(of_first)
        for cell in requested_cells(description):
            place = folder / "cells" / cell.folder
            where = {"method": cell.method, "split": cell.split, "seed": cell.seed}
            write_json(place / "record.json", {**record, **where})
            os.link(first, place / "predictions.npz")
        before, watch = anonymous_megabytes(), Watch()
        start = time.process_time()
        cells = open_run(folder).images.finished
        return {
            "cells": len(cells),
            "test_images": n_test,
            "scores_mb": round(sum(cell.n_score_bytes for cell in cells) / 2**20),
            "cpu_seconds": round(time.process_time() - start, 1),
            "memory_mb": round(watch.peak() - before),
        }


def write_run(
    folder: Path,
    n_methods: int,
    n_splits: int,
    n_seeds: int,
    counts: Sequence[int],
    *,
    n_files: int | None = None,
) -> None:
    """Write the folder of a finished run of images whose predictions are random.

    `counts` are the test images of each class in a split; there are half as many for validation.
    The cells of a split share `n_files` files of predictions in turn; each has its own where None.
    """
    n_test = sum(counts)
    n_patients = int(PATIENTS_PER_TEST_IMAGE * n_test)
    description = describe(n_methods, n_splits, n_seeds, counts)
    write_json(folder / "study.json", description.to_json())
    write_splits(folder, [split.to_json() for split in description.splits])
    rng = np.random.default_rng(0)
    tested = [rng.permutation(n_patients)[: n_test // 2] for _ in range(n_splits)]
    written: dict[str, list[Path]] = {split.name: [] for split in description.splits}
    for cell in requested_cells(description):
        record = ImageCellRecord(
            cell=cell,
            steps=(),
            fingerprint="0" * 64,
            versions=description.versions,
            machine=description.machine,
            threads=1,
            device="cpu",
            seconds={"resample": 0.0, "train": 60.0, "predict": 1.0},
            resumed=False,
            peak_memory_mb=500.0,
            counts_before=tuple(3 * n for n in counts),
            counts_after=tuple(3 * n for n in counts),
        )
        place = folder / "cells" / cell.folder
        write_json(place / "record.json", record.to_json())
        of_split = written[cell.split]
        of_split.append(place / "predictions.npz")
        if n_files is not None and len(of_split) > n_files:
            os.link(of_split[(len(of_split) - 1) % n_files], of_split[-1])
            write_history(place / "history.csv", rng)
            continue
        skill = 1.0 + 0.05 * description.method_names.index(cell.method)
        patients = tested[int(cell.split.removeprefix("split-"))]
        arrays = random_part("test", counts, patients, skill, rng)
        held_out = [n // 2 for n in counts]
        arrays |= random_part("validation", held_out, patients + n_patients, skill, rng)
        np.savez_compressed(of_split[-1], allow_pickle=False, **arrays)
        write_history(place / "history.csv", rng)


def class_counts(n_images: int, n_classes: int) -> tuple[int, ...]:
    """Return as many images of the first class as of all others, of two four times as many."""
    n_rare = n_images // 5 if n_classes == 2 else n_images // (2 * (n_classes - 1))
    return (n_images - (n_classes - 1) * n_rare, *(n_rare,) * (n_classes - 1))


def describe(
    n_methods: int, n_splits: int, n_seeds: int, counts: Sequence[int]
) -> StudyDescription:
    """Describe the study: the first method is the baseline."""
    step = StepDescription(name="classify", class_name="ImageClassifier", settings={"n_steps": 400})
    names = ["none", *(f"method-{i}" for i in range(1, n_methods))]
    split = SplitDescription(
        name="",
        n_train=3 * sum(counts),
        n_validation=sum(n // 2 for n in counts),
        n_test=sum(counts),
        counts={
            "train": tuple(3 * n for n in counts),
            "validation": tuple(n // 2 for n in counts),
            "test": tuple(counts),
        },
        fingerprint="0" * 64,
    )
    splits = tuple(replace(split, name=f"split-{i}") for i in range(n_splits))
    return StudyDescription(
        name="benchmark",
        dataset=ImageDatasetDescription(
            fingerprint="0" * 64,
            n_images=5 * sum(counts),
            n_groups=int(PATIENTS_PER_TEST_IMAGE * sum(counts)),
            class_names=("normal", *(f"abnormal-{i}" for i in range(1, len(counts)))),
            counts=tuple(5 * n for n in counts),
            shape=(1, 32, 32),
            dtype="uint8",
        ),
        rare_class=1,
        baseline="none",
        primary_metric="balanced_accuracy",
        methods=tuple(MethodDescription(name=name, steps=(step,)) for name in names),
        splits=splits,
        seeds=tuple(range(n_seeds)),
        versions=versions(),
        machine=machine(),
    )


def random_part(
    part: str,
    counts: Sequence[int],
    patients: np.ndarray,
    skill: float,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draw the predictions of some images, two of each patient."""
    labels = np.repeat(np.arange(len(counts)), counts)
    groups = np.repeat(patients, 2)[: len(labels)]
    logits = rng.normal(size=(len(labels), len(counts))) + skill * np.eye(len(counts))[labels]
    other_logits = logits + 0.2 * rng.normal(size=logits.shape)
    ids = [f"image-{group:05d}-{i % 2}" for i, group in enumerate(groups)]
    return {
        f"{part}_ids": np.array(ids),
        f"{part}_true": labels,
        f"{part}_score": softmax(logits, axis=1),
        f"{part}_score_other": softmax(other_logits, axis=1),
        f"{part}_groups": groups,
    }


def write_history(path: Path, rng: np.random.Generator) -> None:
    """Write 20 values of the loss and of three validation metrics."""
    names = ("loss", "validation_loss", "validation_auroc", "validation_balanced_accuracy")
    lines = ["stage,step,name,value"]
    for step in range(20, 420, 20):
        lines += [f"classify,{step},{name},{rng.random()}" for name in names]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the reads of predictions and the bootstraps that begin inside the block."""
    counts: Counter[str] = Counter()

    def counted_read(path: Path) -> dict[str, Any]:
        counts["reads"] += path.name == "predictions.npz"
        return read_arrays(path)

    def counted_draws(*args: Any, **kwargs: Any) -> Any:
        counts["bootstraps"] += 1
        return patient_draws(*args, **kwargs)

    with (
        patch("equipoise.runs.run.read_arrays", counted_read),
        patch("equipoise.results.bootstrap_scores.patient_draws", counted_draws),
    ):
        yield counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs=3, type=int, default=CELLS, metavar="N")
    parser.add_argument("--test", type=int, default=N_TEST, help="test images of a split")
    parser.add_argument("--files", type=int, help="predictions that cells of a split share")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--open", action="store_true", help="only open the run")
    arguments = parser.parse_args()
    if arguments.open:
        row = measure_opening(*arguments.cells, n_test=arguments.test)
        print(row)
        if arguments.json:
            content = {"command": "python -m benchmarks.reporting --open", "machine": machine()}
            write_json(arguments.json, content | row)
        return
    row = measure(*arguments.cells, n_test=arguments.test, n_files=arguments.files)
    print(
        f"{row['cells']} cells x {row['test_images']} test images: {row['cpu_seconds']} CPU "
        "seconds for tables and report, of which "
        f"{row['cpu_seconds_of_tables']} for the tables; {row['memory_mb']} MB; "
        f"{row['reads_of_predictions']} reads of "
        f"predictions, {row['bootstraps']} bootstraps; a report of {row['report_mb']} MB"
    )
    if arguments.json:
        options = [word for word in sys.argv[1:] if word not in ("--json", str(arguments.json))]
        command = " ".join(["python -m benchmarks.reporting", *options])
        facts = {"command": command, "machine": machine(), **row}
        write_json(arguments.json, facts)


if __name__ == "__main__":
    main()
