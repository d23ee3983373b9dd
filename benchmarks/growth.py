"""How time and memory of each stage grow: with images, cells, test images and classes.

Usage: python -m benchmarks.growth [--json FILE]

Every point is measured in a process of its own, in CPU seconds. An exponent is that of a stage
between the last two sizes: 1 is linear.
"""

import argparse
import math
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import reporting
from equipoise.atomic import write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.data.splits import hold_out
from equipoise.experiments.running.environment import machine

SIDE = 32  # pixels


@dataclass(frozen=True)
class Point:
    """What one size took: CPU seconds of each stage, and the peak of the memory."""

    size: int
    seconds: Mapping[str, float]
    peak_memory_mb: float


@dataclass(frozen=True)
class Growth:
    """How the stages grow with one number; `exponents` are between the last two points."""

    of: str
    points: Sequence[Point]
    exponents: Mapping[str, float]


def files(n: int) -> dict[str, float]:
    """Read n PNG files."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            path = Path(folder, ("normal", "abnormal")[i % 5 == 0], f"{i:07d}.png")
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(path)
        start = time.process_time()
        read(folder, ReadOptions(size=SIDE, cache="off"))
        return {"reading": time.process_time() - start}


def images(n: int) -> dict[str, float]:
    """Search n images for copies, and split them."""
    rng = np.random.default_rng(0)
    dataset = ImageDataset(
        images=rng.integers(0, 256, (n, 1, SIDE, SIDE), dtype=np.uint8),
        labels=(np.arange(n) % 5 == 0).astype(np.int64),
        class_names=("normal", "abnormal"),
        groups=np.arange(n) // 2,
        ids=np.arange(n).astype(str),
    )
    start = time.process_time()
    find_duplicates(dataset)
    searched = time.process_time()
    hold_out(dataset, n_splits=1)
    return {"copies": searched - start, "splitting": time.process_time() - searched}


def cells(n: int) -> dict[str, float]:
    """Write tables and report of n cells."""
    return tables_and_report(n // 20, 5, 4)


def test_images(n: int) -> dict[str, float]:
    """Write tables and report of 4 cells with n test images."""
    return tables_and_report(2, 1, 2, n_test=n)


def classes(n: int) -> dict[str, float]:
    """Write tables and report of 4 cells with 2,000 test images of n classes."""
    return tables_and_report(2, 1, 2, n_test=2000, n_classes=n)


def tables_and_report(*n_cells: int, n_test: int = 200, n_classes: int = 2) -> dict[str, float]:
    row = reporting.measure(*n_cells, n_test=n_test, n_classes=n_classes)
    tables = row["cpu_seconds_of_tables"]
    return {"tables": tables, "report": row["cpu_seconds"] - tables}


STAGES: dict[Callable[[int], dict[str, float]], tuple[int, ...]] = {
    files: (1_000, 10_000),
    images: (1_000, 10_000, 100_000),
    cells: (100, 1_000),
    test_images: (1_000, 10_000, 100_000),
    classes: (2, 20, 100),
}


def measure(stage: Callable[[int], dict[str, float]], size: int) -> Point:
    """Run a stage once; in a process of its own, whose memory it is."""
    seconds = {name: round(value, 3) for name, value in stage(size).items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Point(size=size, seconds=seconds, peak_memory_mb=round(peak))


def grow(stage: Callable[[int], dict[str, float]], sizes: Sequence[int]) -> Growth:
    """Measure a stage at every size."""
    points = []
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            points.append(pool.submit(measure, stage, size).result())
    before, last = points[-2:]
    factor = math.log(last.size / before.size)
    exponents = {}
    for name, seconds in last.seconds.items():
        ratio = seconds / max(before.seconds[name], 1e-3)
        exponents[name] = round(math.log(max(ratio, 1e-3)) / factor, 2)
    return Growth(of=stage.__name__, points=points, exponents=exponents)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--only", choices=[stage.__name__ for stage in STAGES], nargs="+")
    arguments = parser.parse_args()
    growths = []
    for stage, sizes in STAGES.items():
        if arguments.only is None or stage.__name__ in arguments.only:
            growth = grow(stage, sizes)
            growths.append(asdict(growth))
            for point in growth.points:
                print(f"{growth.of} {point.size:,}: {point.seconds}, {point.peak_memory_mb:.0f} MB")
            print(f"{growth.of}: exponents {growth.exponents}", flush=True)
    if arguments.json:
        facts = {
            "command": "python -m benchmarks.growth",
            "machine": machine(),
            "load": round(os.getloadavg()[0], 1),
            "growth": growths,
        }
        write_json(arguments.json, facts)


if __name__ == "__main__":
    main()
