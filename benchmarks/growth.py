"""How time and memory of each stage grow: with images, cells, test images and classes.

Usage: python -m benchmarks.growth [--json FILE] [--only STAGES]

Every point is measured in a process of its own, in CPU seconds, and written at once: a command that
was stopped continues from its file. An exponent is that of a stage between the last two sizes: 1 is
linear.
"""

import argparse
import json
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

from benchmarks import duplicates, reporting
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
    """What one size took: CPU seconds of each stage, the peak of the memory, the load meanwhile."""

    size: int
    seconds: Mapping[str, float]
    peak_memory_mb: float
    load: float


@dataclass(frozen=True)
class Growth:
    """How the stages grow with one number."""

    of: str
    points: Sequence[Point]

    @property
    def exponents(self) -> dict[str, float]:
        """Of each stage, between the last two points."""
        before, last = self.points[-2:]
        factor = math.log(last.size / before.size)
        exponents = {}
        for name, seconds in last.seconds.items():
            ratio = seconds / max(before.seconds[name], 1e-3)
            exponents[name] = round(math.log(max(ratio, 1e-3)) / factor, 2)
        return exponents


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
    """Search n crops of drawn films for copies, and split them."""
    dataset = ImageDataset(
        images=duplicates.draw(n, SIDE),
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
    load = round(os.getloadavg()[0], 1)
    return Point(size=size, seconds=seconds, peak_memory_mb=round(peak), load=load)


def read_points(path: Path | None) -> dict[tuple[str, int], Point]:
    """Return the points that a file contains, by stage and size."""
    if path is None or not path.is_file():
        return {}
    points = {}
    for growth in json.loads(path.read_text(encoding="utf-8"))["growth"]:
        for point in growth["points"]:
            points[growth["of"], point["size"]] = Point(**point)
    return points


def write_points(path: Path, points: Mapping[tuple[str, int], Point]) -> None:
    growths = []
    for stage, sizes in STAGES.items():
        of = stage.__name__
        measured = [points[of, size] for size in sizes if (of, size) in points]
        row = asdict(Growth(of=of, points=measured))
        if len(measured) == len(sizes):
            row["exponents"] = Growth(of=of, points=measured).exponents
        growths.append(row)
    numbers = {"command": "python -m benchmarks.growth", "machine": machine(), "growth": growths}
    write_json(path, numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers, which is continued")
    parser.add_argument("--only", choices=[stage.__name__ for stage in STAGES], nargs="+")
    arguments = parser.parse_args()
    points = read_points(arguments.json)
    for stage, sizes in STAGES.items():
        of = stage.__name__
        if arguments.only is not None and of not in arguments.only:
            continue
        for size in sizes:
            if (of, size) not in points:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    points[of, size] = pool.submit(measure, stage, size).result()
                if arguments.json:
                    write_points(arguments.json, points)
            point = points[of, size]
            print(f"{of} {size:,}: {point.seconds}, {point.peak_memory_mb:.0f} MB", flush=True)
        growth = Growth(of=of, points=[points[of, size] for size in sizes])
        print(f"{of}: exponents {growth.exponents}", flush=True)


if __name__ == "__main__":
    main()
