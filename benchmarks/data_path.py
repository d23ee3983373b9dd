"""Our data path against PIL + Dataset + DataLoader, which decode every image in every pass.

Usage: python -m benchmarks.data_path [--json FILE]

Torch computes with one thread here, as it does in the workers of a DataLoader: the waiting threads
of OpenMP would count as work on a busy machine.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.timing import Pair, cpu_seconds, side_by_side
from equipoise.arrays import value_range
from equipoise.atomic import write_json
from equipoise.data.images.options import ReadOptions
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.reading import read
from equipoise.experiments.running.environment import machine, versions
from equipoise.training.batches import Pool, ResidentBatches, natural

N, STORED, SIZE, BATCH, PASSES = 600, 160, 64, 32, 10


class Files(Dataset[tuple[torch.Tensor, int]]):
    """What most training scripts do."""

    def __init__(self, root: Path) -> None:
        self.paths = sorted(root.rglob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = (
            Image.open(self.paths[i]).convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        )
        return torch.as_tensor(np.array(image))[None].float() / 255, int(
            self.paths[i].parent.name == "pneumonia"
        )


def measure() -> list[Pair]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name, "films")
            _write(root)
            return [
                _compare(root, PASSES),
                _compare(root, 1),
                _compare(root, 1, ", CPU", clock=cpu_seconds),
            ]
    finally:
        torch.set_num_threads(n_threads)


def _compare(
    root: Path, passes: int, of: str = "", clock: Callable[[], float] = time.perf_counter
) -> Pair:
    def ours() -> int:
        dataset = read(root, ReadOptions(size=SIZE, cache="off")).dataset
        sampler = natural(Pool(labels=dataset.labels, batch_size=BATCH, n_steps=1, seed=0))
        span = value_range(dataset.images)
        batches = ResidentBatches(
            dataset.images, dataset.labels, sampler, span=span, device=torch.device("cpu")
        )
        n_steps = passes * N // BATCH
        for step in range(n_steps):
            batches(step)
        return n_steps * BATCH

    def usual() -> int:
        loader = DataLoader(
            Files(root), batch_size=BATCH, shuffle=True, num_workers=os.cpu_count() or 1
        )
        return sum(len(images) for _ in range(passes) for images, _ in loader)

    return side_by_side(
        f"data path, {passes} pass{'es' * (passes > 1)}{of}",
        ours,
        usual,
        unit="images/s",
        note=f"{N} PNG of {STORED} px read at {SIZE} px, decoding included, no cache; "
        f"load {os.getloadavg()[0]:.1f}",
        rounds=7,
        clock=clock,
    )


def _write(root: Path) -> None:
    dataset = chest_films((N - 100, 100), size=STORED)
    for image, label, i in zip(dataset.images, dataset.labels, range(N), strict=True):
        folder = root / dataset.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"{i:04d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    pairs = measure()
    for pair in pairs:
        print(pair.row(), flush=True)
    if arguments.json:
        numbers = {
            "command": "python -m benchmarks.data_path",
            "machine": machine(),
            "versions": versions(),
            "pairs": [pair.facts() for pair in pairs],
        }
        write_json(arguments.json, numbers)


if __name__ == "__main__":
    main()
