"""Our data path against PIL + Dataset + DataLoader, which decode every image in every pass."""

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
from equipoise.data.images.options import ReadOptions
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.reading import read
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
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "films")
        _write(root)
        return [
            _compare(root, PASSES),
            _compare(root, 1),
            _compare(root, 1, ", CPU", clock=cpu_seconds),
        ]


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
        rounds=5,
        clock=clock,
    )


def _write(root: Path) -> None:
    dataset = chest_films((N - 100, 100), size=STORED)
    for image, label, i in zip(dataset.images, dataset.labels, range(N), strict=True):
        folder = root / dataset.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"{i:04d}.png")
