"""Memory and time of a cell whose images stay in a mapped file, against one that copies them.

Usage: python -m benchmarks.by_reference [--images N ...] [--json FILE]

Every cell is trained in a process of its own: 64 px, gray, one class five times the other, the
method `oversampling`, few steps. Memory is the anonymous part of the resident memory (Linux's
RssAnon: pages of mapped files, which the system can take back, are not counted), beyond what the
process has before it opens the images.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from equipoise.atomic import JsonObject, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.image_rows import copies_up_to

SIDE, RARE = 64, 6  # px; one image of so many is of the rare class
COUNTS = (30_000, 120_000)
STEPS = 60
MODES = ("copied", "by reference")
BLOCK = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(Path(arguments.one[0]), arguments.one[1])))
        return
    rows = []
    for n_images in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            write_dataset(Path(folder), n_images)
            for mode in MODES:
                command = [sys.executable, "-m", "benchmarks.by_reference", "--one", folder, mode]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                rows.append({"images": n_images, "mode": mode, **json.loads(done.stdout)})
                print(rows[-1], flush=True)
    if arguments.json:
        typed = " ".join(["python -m benchmarks.by_reference", *sys.argv[1:]])
        facts = {"command": typed, "machine": machine(), "versions": versions(), "rows": rows}
        write_json(arguments.json, facts)


def write_dataset(folder: Path, n_images: int) -> None:
    """Write noise with a brighter rare class, block by block."""
    rng = np.random.default_rng(0)
    labels = (np.arange(n_images) % RARE == 0).astype(np.int64)
    empty = ImageDataset(
        images=np.zeros((n_images, 1, 1, 1), dtype=np.uint8),
        labels=labels,
        class_names=("common", "rare"),
        groups=np.arange(n_images),
        ids=np.array([f"image-{i}" for i in range(n_images)]),
    )
    empty.save(folder / "dataset")
    path = folder / "dataset" / "images.npy"
    path.unlink()
    (folder / "dataset" / "checksums.json").unlink()
    images = open_memmap(path, mode="w+", dtype=np.uint8, shape=(n_images, 1, SIDE, SIDE))
    for start in range(0, n_images, BLOCK):
        block = rng.integers(0, 200, images[start : start + BLOCK].shape, dtype=np.uint8)
        images[start : start + BLOCK] = block + 40 * labels[start : start + BLOCK, None, None, None]
    images.flush()


def measure(folder: Path, mode: str) -> JsonObject:
    """Train a cell; return its peak of anonymous memory in MB and its CPU seconds."""
    most = 0 if mode == "by reference" else 2**62
    before = anonymous_megabytes()
    watch = Watch()
    images = ImageDataset.load(folder / "dataset", memory_map=True)
    study = Study(
        name="cells",
        dataset=images,
        splits=hold_out(images, n_splits=1),
        methods=build_methods(["oversampling"], Budget(n_steps=STEPS, device="cpu")),
        seeds=(0,),
    )
    started = time.process_time()
    with (
        tempfile.TemporaryDirectory() as run,
        copies_up_to(most),
    ):
        store = run_study(study, run, executor=InProcess())
        (cell,) = study.cells()
        if not store.has_finished(cell):
            raise RuntimeError("The cell has failed.")
    return {
        "memory_mb": round(watch.peak() - before),
        "images_mb": round(images.images.nbytes / 2**20),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def anonymous_megabytes() -> float:
    """Return the anonymous part of the resident memory of this process in 2^20 bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("This benchmark needs Linux.")


class Watch:
    """Samples the anonymous memory of this process every 20 ms."""

    def __init__(self) -> None:
        self.largest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """End, and return the largest value."""
        self._over.set()
        self._thread.join()
        return self.largest

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.largest = max(self.largest, anonymous_megabytes())


if __name__ == "__main__":
    main()
