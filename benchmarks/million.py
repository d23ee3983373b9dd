"""A million images: what each stage of a study takes at growing numbers of drawn images.

Usage: python -m benchmarks.million [--images N ...] [--sparse N] [--folder FOLDER] [--json FILE]

Images are gray, 64 px, drawn: smooth random fields, of which every 10,000th is a copy of the one
before. They are written as one file, as decoded images lie in the cache, because a million PNG
files would cost more than what is measured (`python -m benchmarks.growth --only files` reads
those). Stages: `draw`; `store` and `open`, which hash the pixels and compare the checksum;
`copies`; `split`; and one cell each of three methods, 100 steps, scored on 2,000 validation and
test images. With --sparse, RGB images of 224 px are zeros in a file without blocks on the disk:
they are split, hashed for the key of a fit, and a classifier is trained on them for 10 steps.

Every stage runs in a process of its own, on one thread. Memory is the anonymous part of the
resident memory, pages of mapped files apart (Linux's RssAnon). Stages whose rows are in the JSON
already are not run again; a folder that is named is kept.
"""

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap

from benchmarks.by_reference import Watch, anonymous_megabytes
from equipoise.arrays import Images, content_key
from equipoise.atomic import JsonObject, read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates
from equipoise.data.splits import Split, hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.training.allocator import keep_freed_memory

SIDE, SPARSE_SIDE = 64, 224  # px
N_FREQUENCIES = 16  # of the fields along each axis
RARE, PER_COPY = 6, 10_000  # one image of so many is of the rare class, or a copy
BLOCK = 1_000  # images drawn at once
N_SCORED = 2_000  # validation and test images of a cell
BUDGET = Budget(n_steps=100, gan_steps=100, device="cpu")
METHODS = ("oversampling", "balanced_softmax", "dcgan@0.05")
SPARSE_STEPS = 10
N_THREADS = 1

Stage = Callable[[Path, int], JsonObject]  # folder, number of images -> what it shows


def draw(folder: Path, n_images: int) -> JsonObject:
    """Draw the images into one file, block by block."""
    images = open_memmap(
        folder / "drawn.npy", mode="w+", dtype=np.uint8, shape=(n_images, 1, SIDE, SIDE)
    )
    frequencies = np.arange(N_FREQUENCIES)
    angles = np.outer(frequencies, np.arange(SIDE) + 0.5) * np.pi / SIDE
    waves = np.cos(angles).astype(np.float32)  # (f, side)
    decay = (40 / (1 + np.hypot(frequencies[:, None], frequencies))).astype(np.float32)
    for start in range(0, n_images, BLOCK):
        rng = np.random.default_rng([0, start])
        rows = np.arange(start, min(n_images, start + BLOCK))
        fields = rng.standard_normal((len(rows), N_FREQUENCIES, N_FREQUENCIES), dtype=np.float32)
        pixels = (fields * decay) @ waves  # (block, f, side)
        pixels = pixels.swapaxes(1, 2) @ waves + 110  # (block, side, side)
        pixels += 20 * labels_of(rows)[:, None, None]
        images[rows, 0] = pixels.clip(0, 255, out=pixels)
    copies = np.arange(PER_COPY - 1, n_images, PER_COPY)
    images[copies] = images[copies - 1]
    images.flush()
    return {}


def labels_of(rows: np.ndarray) -> np.ndarray:
    """Return the class of rows: 0, of every sixth 1; a copy has that of its original."""
    originals = np.where(rows % PER_COPY == PER_COPY - 1, rows - 1, rows)
    return np.asarray(originals % RARE == 0, dtype=np.int64)


def dataset_of(images: Images) -> ImageDataset:
    """Give images labels, names and patients; a copy is of the patient of its original."""
    rows = np.arange(len(images))
    return ImageDataset(
        images=images,
        labels=labels_of(rows),
        class_names=("common", "rare"),
        groups=np.where(rows % PER_COPY == PER_COPY - 1, rows - 1, rows),
        ids=np.char.add("image-", rows.astype(str)),
    )


def store(folder: Path, _n_images: int) -> JsonObject:
    """Save the images as the cache does, hashed."""
    dataset_of(np.load(folder / "drawn.npy", mmap_mode="r")).save(folder / "dataset")
    (folder / "drawn.npy").unlink()
    return {}


def opened(folder: Path, _n_images: int) -> JsonObject:
    """Map the stored images, and compare the checksums."""
    return {"stored_mb": round(stored(folder).images.nbytes / 2**20)}


def stored(folder: Path) -> ImageDataset:
    """Return the stored images, mapped."""
    return ImageDataset.load(folder / "dataset", memory_map=True)


def copies(folder: Path, n_images: int) -> JsonObject:
    """Search for copies: exact and near ones."""
    duplicates = find_duplicates(stored(folder))
    if len(duplicates.exact) != n_images // PER_COPY:
        raise RuntimeError(f"Expected {n_images // PER_COPY} copies, got {len(duplicates.exact)}.")
    return {"exact_pairs": len(duplicates.exact), "near_pairs": len(duplicates.near)}


def split(folder: Path, _n_images: int) -> JsonObject:
    """Split the images by patient; the cells read the rows from a file."""
    parts = split_of(stored(folder))
    rows = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    np.savez(folder / "split.npz", allow_pickle=False, **rows)
    return {"train_images": len(parts.train)}


def split_of(dataset: ImageDataset) -> Split:
    """Return a split whose parts that are scored have at most `N_SCORED` images."""
    (whole,) = hold_out(dataset, n_splits=1)
    parts = {}
    for part in ("validation", "test"):
        rows = getattr(whole, part)
        parts[part] = rows[:: -(-len(rows) // N_SCORED)]
    return replace(whole, **parts)


def cell_of(method: str) -> Stage:
    """Return the stage that trains one cell of a method."""

    def train(folder: Path, _n_images: int) -> JsonObject:
        dataset = stored(folder)
        study = Study(
            name="million",
            dataset=dataset,
            splits=[Split(name="split-0", **np.load(folder / "split.npz"))],
            methods=build_methods([method], BUDGET),
            seeds=(0,),
        )
        with tempfile.TemporaryDirectory(dir=folder) as run:
            runs = run_study(study, run, executor=InProcess(N_THREADS))
            (cell,) = study.cells()
            record = runs.record(cell)
            if isinstance(record, FailedCellRecord):
                raise TypeError(f"Expected a finished cell, got {record}.")
        return {name: round(value, 1) for name, value in record.seconds.items()}

    return train


def sparse(folder: Path) -> ImageDataset:
    """Map the file of zeros."""
    return dataset_of(np.load(folder / "sparse.npy", mmap_mode="r"))


def make_sparse(folder: Path, n_images: int) -> JsonObject:
    """Write a file of zeros that has hardly any blocks on the disk."""
    path = folder / "sparse.npy"
    shape = (n_images, 3, SPARSE_SIDE, SPARSE_SIDE)
    open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    status = path.stat()
    return {"file_gb": round(status.st_size / 1e9, 1), "disk_mb": status.st_blocks // 2048}


def split_sparse(folder: Path, _n_images: int) -> JsonObject:
    """Split the zeros by patient."""
    return {"train_images": len(split_of(sparse(folder)).train)}


def key_of_sparse(folder: Path, _n_images: int) -> JsonObject:
    """Compute the keys of a fit and of a second one on other rows, which reads no pixel again."""
    dataset = sparse(folder)
    parts = split_of(dataset)
    first = content_key(dataset.subset(parts.train).images)
    start = time.process_time()
    second = content_key(dataset.subset(parts.train[1:]).images)
    if first == second:
        raise RuntimeError("Two fits have the same key.")
    return {"cpu_seconds_of_second_key": round(time.process_time() - start, 2)}


def train_on_sparse(folder: Path, _n_images: int) -> JsonObject:
    """Train a classifier for a few steps, on the balanced rows of the split."""
    dataset = sparse(folder)
    parts = split_of(dataset)
    budget = replace(BUDGET, n_steps=SPARSE_STEPS)
    method = build_methods(["oversampling"], budget)["oversampling"]
    (_, resampler), (_, classifier) = method.steps
    train = dataset.subset(parts.train).resample(resampler)
    few = dataset.subset(parts.validation[:64])
    classifier.fit(train.images, train.labels, validation=(few.images, few.labels))
    return {"images_after_resampling": len(train)}


STAGES: Mapping[str, Stage] = {
    "draw": draw,
    "store": store,
    "open": opened,
    "split": split,
    **{method: cell_of(method) for method in METHODS},
    "copies": copies,
}
# Stages without whose files others cannot run.
MAKERS = {
    "draw": "dataset",
    "store": "dataset",
    "split": "split.npz",
    "sparse file": "sparse.npy",
}
SPARSE_STAGES: Mapping[str, Stage] = {
    "sparse file": make_sparse,
    "sparse split": split_sparse,
    "sparse key": key_of_sparse,
    "sparse steps": train_on_sparse,
}


def measure(stage: Stage, folder: Path, n_images: int) -> JsonObject:
    """Run a stage in this process; return its seconds and its peak of anonymous memory."""
    keep_freed_memory()  # as the program does
    torch.set_num_threads(N_THREADS)
    before, watch = anonymous_megabytes(), Watch()
    start, cpu_start = time.perf_counter(), time.process_time()
    measured = stage(folder, n_images)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu_start, 1),
        "memory_mb": round(watch.peak()),
        "memory_before_mb": round(before),
        **measured,
    }


def run_stages(stages: Sequence[str], folder: Path, n_images: int, report: "Report") -> None:
    """Run the stages that are not in the report, each in a process of its own."""
    if all(report.has(n_images, name) for name in stages):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in stages:
        has_files = name not in MAKERS or (folder / MAKERS[name]).exists()
        if report.has(n_images, name) and has_files:
            continue
        arguments = ["--stage", name, str(folder), str(n_images)]
        command = [sys.executable, "-m", "benchmarks.million", *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        report.add({"images": n_images, "stage": name, **json.loads(done.stdout)})


class Report:
    """The rows that were measured, in this call and earlier ones."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path is not None and path.is_file():
            self.rows = read_json(path)["rows"]

    def has(self, n_images: int, stage: str) -> bool:
        """Return whether a stage was measured."""
        return any((row["images"], row["stage"]) == (n_images, stage) for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Print a row and store it with the others."""
        print(row, flush=True)
        stage = row["images"], row["stage"]
        other_rows = [r for r in self.rows if (r["images"], r["stage"]) != stage]
        self.rows = [*other_rows, row]
        if self.path is not None:
            content = {
                "command": "python -m benchmarks.million",
                "exponents": exponents(self.rows),
                "machine": machine(),
                "rows": self.rows,
                "versions": versions(),
            }
            write_json(self.path, content)


def exponents(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how the CPU seconds of each stage grow between its two largest sizes."""
    by_stage: dict[str, dict[int, float]] = {}
    for row in rows:
        by_stage.setdefault(row["stage"], {})[row["images"]] = row["cpu_seconds"]
    growth = {}
    for stage, seconds in by_stage.items():
        *_, (less, before), (more, after) = [(0, 0.0), *sorted(seconds.items())]
        if less and before and after:
            growth[stage] = round(math.log(after / before) / math.log(more / less), 2)
    return growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--sparse", type=int, help="RGB images of 224 px in a file of zeros")
    parser.add_argument("--folder", type=Path, help="where images are written, and kept")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        name, folder, n_images = arguments.stage
        stage = {**STAGES, **SPARSE_STAGES}[name]
        print(json.dumps(measure(stage, Path(folder), int(n_images))))
        return
    report = Report(arguments.json)
    for n_images in arguments.images:
        with folder_for(arguments.folder, n_images) as folder:
            run_stages(list(STAGES), folder, n_images, report)
    if arguments.sparse:
        with folder_for(arguments.folder, arguments.sparse) as folder:
            run_stages(list(SPARSE_STAGES), folder, arguments.sparse, report)


@contextlib.contextmanager
def folder_for(folder: Path | None, n_images: int) -> Any:
    """Yield a subfolder of a folder that is kept, or a temporary one."""
    if folder is not None:
        yield folder / str(n_images)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


if __name__ == "__main__":
    main()
