"""The search for copies at growing numbers of images, beside a comparison of all hashes.

Usage: python -m benchmarks.duplicates [--images 10000 100000] [--rounds 5] [--json FILE]

The images are random crops, turned, of drawn films. Seconds are those of the processor, because
other programs may run beside. `exponent` is that of the growth of the search from the smallest to
the largest number of images.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from equipoise.arrays import Images
from equipoise.atomic import write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates
from equipoise.data.phantoms.datasets import chest_films
from equipoise.experiments.running.environment import machine, versions

N_DRAWN, DRAWN_SIDE, SIDE = 200, 96, 64
N_BITS, MAX_BITS, BLOCK = 255, 36, 1024
MOST_COMPARED = 10_000  # images that the reference compares


def measure(numbers: list[int], rounds: int) -> dict[str, Any]:
    """Time the search, in turns with the reference where that takes seconds."""
    images = draw(max(numbers))
    rows: list[dict[str, float]] = []
    for n in numbers:
        dataset = ImageDataset(
            images=images[:n],
            labels=np.zeros(n, dtype=np.int64),
            class_names=("film",),
            groups=np.arange(n),
            ids=np.arange(n).astype(str),
        )
        ours: list[float] = []
        reference: list[float] = []
        for _ in range(rounds):
            ours.append(seconds(partial(find_duplicates, dataset)))
            if n <= MOST_COMPARED:
                reference.append(seconds(partial(compare_all_hashes, n)))
        row: dict[str, float] = {"images": n, "cpu_seconds": round(statistics.median(ours), 2)}
        if reference:
            row["cpu_seconds_of_all_hashes"] = round(statistics.median(reference), 2)
        print(row, flush=True)
        rows.append(row)
    seconds_grow = math.log(rows[-1]["cpu_seconds"] / rows[0]["cpu_seconds"])
    images_grow = math.log(rows[-1]["images"] / rows[0]["images"])
    exponent = round(seconds_grow / images_grow, 2) if images_grow else None
    return {"rows": rows, "exponent": exponent}


def draw(n: int, side: int = SIDE) -> Images:
    """Draw films, and cut `n` random squares out of them, turned by up to 15 degrees."""
    rng = np.random.default_rng(0)
    films = chest_films((N_DRAWN - 20, 20), size=DRAWN_SIDE).images[:, 0]
    images = np.empty((n, 1, side, side), dtype=np.uint8)
    for i in range(n):
        film = Image.fromarray(films[i % N_DRAWN]).rotate(rng.uniform(-15, 15))
        length = rng.uniform(0.6, 0.9) * DRAWN_SIDE
        left, top = rng.uniform(0, DRAWN_SIDE - length, size=2)
        box = (left, top, left + length, top + length)
        images[i, 0] = np.asarray(film.resize((side, side), Image.Resampling.BILINEAR, box=box))
    return images


def compare_all_hashes(n: int) -> int:
    """Compare the hashes of all pairs by matrix products, as the search did before."""
    signs = np.random.default_rng(0).choice(np.array([-1, 1], dtype=np.float32), (n, N_BITS))
    n_pairs = 0
    for start in range(0, n, BLOCK):
        product = signs[start : start + BLOCK] @ signs[start:].T
        bits = np.rint((N_BITS - product) / 2).astype(np.int64)
        n_pairs += len(np.nonzero(np.triu(bits <= MAX_BITS, k=1))[0])
    return n_pairs


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    result = measure(arguments.images, arguments.rounds)
    result |= {"rounds": arguments.rounds, "side": SIDE, "load": round(os.getloadavg()[0], 1)}
    print(result)
    if arguments.json:
        write_json(arguments.json, result | {"machine": machine(), "versions": versions()})


if __name__ == "__main__":
    main()
