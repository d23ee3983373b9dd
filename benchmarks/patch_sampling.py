"""Drawing and cutting patches: speed, share of a training step, and memory by number of cases.

Usage: python -m benchmarks.patch_sampling [part of a name ...]

The cases are noise of 140 x 180 x 140 voxels with a tumor of four classes, in two modalities; all
are the same files.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from benchmarks.timing import Pair, side_by_side
from equipoise.data.volume_dataset import Positions, VolumeDataset, load_volume
from equipoise.data.volumes.labels import BRATS_2013
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.table import PATCH_SAMPLERS
from equipoise.estimators.scoring import channels_last
from equipoise.experiments.running.environment import available_cores
from equipoise.losses import LOSSES
from equipoise.networks.patch_networks import CENTER_CNN_VALID, laid_out
from equipoise.testing.volumes import write_volume
from equipoise.training.loop import Batches, LossStep, train
from equipoise.training.optimizers import make_optimizer, make_schedule

SHAPE, CHANNELS = (140, 180, 140), 2
BATCH, SIZE, STEPS = 120, 64, 5
FEW, SOME, MANY = 4, 16, 64  # cases
MEMORY_STEPS = 30
ROUNDS = 3


def measure(wanted: Callable[[str], bool] = lambda _name: True) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _write(root)
        works: dict[str, Callable[[], Pair]] = {
            **{
                f"patches, {sampler}": partial(_patches, root, sampler)
                for sampler in PATCH_SAMPLERS
            },
            f"patches, {MANY} cases": partial(_many_cases, root),
            **{
                f"patch sampling, width {width}, {threads} threads": partial(
                    _step, root, width, threads
                )
                for width in (16, 64)
                for threads in dict.fromkeys((1, available_cores()))
            },
            **{f"memory of patches, {n} cases": partial(_memory, root, n) for n in (SOME, MANY)},
        }
        for title, work in works.items():
            if wanted(title):
                yield work()


def _patches(root: Path, name: str) -> Pair:
    dataset = _dataset(root, SOME)
    stream = PATCH_SAMPLERS[name].start(dataset, n=BATCH, size=SIZE, jitter=0, seed=0)
    centers = [stream(step).centers for step in range(STEPS)]
    images = (
        dataset.volumes[0].array("images").astype(np.float32)
    )  # of every case: the files are the same
    codes = np.asarray(dataset.volumes[0].array("codes")).astype(np.int64)
    return side_by_side(
        f"patches, {name}",
        partial(_draw, dataset, name),
        lambda: sum(_from_memory(images, codes, positions) for positions in centers),
        unit="patches/s",
        note=f"{SIZE} px, {CHANNELS} modalities, drawn and cut from {SOME} cases on disk; "
        f"reference: cut only, from float32 in memory; load {_load()}",
    )


def _many_cases(root: Path) -> Pair:
    few, many = (_dataset(root, n) for n in (FEW, MANY))
    return side_by_side(
        f"patches, {MANY} cases",
        partial(_draw, many, "balanced"),
        partial(_draw, few, "balanced"),
        unit="patches/s",
        note=f"balanced; reference: from {FEW} cases; load {_load()}",
    )


def _draw(dataset: VolumeDataset, name: str) -> float:
    stream = PATCH_SAMPLERS[name].start(dataset, n=BATCH, size=SIZE, jitter=0, seed=0)
    for step in range(STEPS):
        dataset.patches(stream(step).centers, SIZE)
    return STEPS * BATCH


def _from_memory(
    images: NDArray[np.float32], codes: NDArray[np.int64], positions: Positions
) -> int:
    """Cut what lies inside the volume of each patch, one after another, as scripts do."""
    patches = np.zeros((len(positions), CHANNELS, SIZE, SIZE), dtype=np.float32)
    targets = np.zeros((len(positions), SIZE, SIZE), dtype=np.int64)
    for i, (_, z, y, x) in enumerate(positions.tolist()):
        at_y, at_x = max(y - SIZE // 2, 0), max(x - SIZE // 2, 0)
        part = images[:, z, at_y : y + SIZE // 2, at_x : x + SIZE // 2]
        patches[i, :, : part.shape[1], : part.shape[2]] = part
        targets[i, : part.shape[1], : part.shape[2]] = codes[
            z, at_y : y + SIZE // 2, at_x : x + SIZE // 2
        ]
    return len(positions)


def _step(root: Path, width: int, threads: int) -> Pair:
    """Time drawing and cutting inside whole training steps."""
    dataset, spent = _dataset(root, SOME), [0.0]
    stream = BalancedPatches().start(dataset, n=BATCH, size=SIZE, jitter=0, seed=0)

    def sampled(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        start = time.perf_counter()
        batch = stream(step)
        images = torch.from_numpy(dataset.images(batch.centers, SIZE))
        spent[0] += time.perf_counter() - start
        return images, torch.from_numpy(batch.classes)

    n_steps = 2 if width > 16 else 20
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rounds = [_timed(_training(sampled, width, n_steps), spent) for _ in range(ROUNDS + 1)][1:]
    finally:
        torch.set_num_threads(before)
    return Pair(
        name=f"sampling, width {width}, {threads} threads",
        unit="ms",
        ours=1000 * statistics.median(sampling for sampling, _ in rounds) / n_steps,
        reference=1000 * statistics.median(whole for _, whole in rounds) / n_steps,
        ratio=statistics.median(sampling / whole for sampling, whole in rounds),
        note=f"balanced; reference: step of {CENTER_CNN_VALID.name}, {BATCH} patches of {SIZE} px; "
        f"at most 0.05; load {_load()}",
    )


def _timed(work: Callable[[], float], spent: list[float]) -> tuple[float, float]:
    """Give the seconds that were spent on sampling in some work, and those of all of it."""
    spent[0], start = 0.0, time.perf_counter()
    work()
    return spent[0], time.perf_counter() - start


def _training(batches: Batches, width: int, n_steps: int) -> Callable[[], float]:
    torch.manual_seed(0)
    network = laid_out(CENTER_CNN_VALID.build(CHANNELS, len(BRATS_2013.values), width))
    optimizer = make_optimizer("adam", network.parameters(), learning_rate=1e-3)
    loss = LOSSES["cross_entropy"](torch.ones(len(BRATS_2013.values)))
    step = LossStep(
        loss=lambda patches, classes: loss(network(channels_last(patches)), classes),
        optimizer=optimizer,
        schedule=make_schedule("cosine", optimizer, 10_000),
    )

    def run() -> float:
        train(step, batches, n_steps=n_steps, seed=0)
        return n_steps

    return run


def _memory(root: Path, n: int) -> Pair:
    ours, reference = (_grown(root, cases) for cases in (n, FEW))
    return Pair(
        name=f"memory of patches, {n} cases",
        unit="MB",
        ours=ours,
        reference=reference,
        ratio=ours / reference,
        note=f"growth of resident memory over {MEMORY_STEPS} steps of {BATCH} patches; "
        f"reference: {FEW} cases",
    )


def _grown(root: Path, n: int) -> float:
    command = [sys.executable, "-m", "benchmarks.patch_sampling", "--draw", str(root), str(n)]
    return float(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    )


def draw_and_watch(root: Path, n: int) -> float:
    """Draw from n cases and return the growth of this process's resident memory in MB (2^20 B)."""
    dataset, process = _dataset(root, n), psutil.Process()
    stream = BalancedPatches().start(dataset, n=BATCH, size=SIZE, jitter=0, seed=0)
    before, most = process.memory_info().rss, 0
    for step in range(MEMORY_STEPS):
        kept = dataset.patches(stream(step).centers, SIZE)
        most = max(most, process.memory_info().rss)
        del kept
    return float(most - before) / 2**20


def _dataset(root: Path, n: int) -> VolumeDataset:
    return VolumeDataset(
        volumes=tuple(load_volume(root / f"case-{i}") for i in range(n)),
        groups=np.arange(n, dtype=np.int64),
        modalities=tuple(f"modality {i}" for i in range(CHANNELS)),
        scheme=BRATS_2013,
    )


def _write(root: Path) -> None:
    """Write one case; the others are links to its files."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij", sparse=True)
    mask = z**2 + y**2 + x**2 < 1
    distance = (z - 0.2) ** 2 + (y - 0.3) ** 2 + (x + 0.2) ** 2
    codes = sum((distance < radius).astype(np.uint8) for radius in (0.08, 0.05, 0.03, 0.02))
    images = np.random.default_rng(0).standard_normal((CHANNELS, *SHAPE), dtype=np.float32) * mask
    write_volume(
        root / "case-0", images, np.asarray(codes), mask, k=len(BRATS_2013.values), id="case-0"
    )
    facts = (root / "case-0" / "case.json").read_text()
    for i in range(1, MANY):
        (root / f"case-{i}").mkdir()
        for file in (root / "case-0").glob("*.npy"):
            os.link(file, root / f"case-{i}" / file.name)
        (root / f"case-{i}" / "case.json").write_text(facts.replace("case-0", f"case-{i}"))


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--draw", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.draw:
        root, n = arguments.draw
        print(draw_and_watch(Path(root), int(n)))
        return
    torch.set_num_threads(available_cores())
    for pair in measure(
        lambda name: not arguments.names or any(part in name for part in arguments.names)
    ):
        print(pair.row(), flush=True)


if __name__ == "__main__":
    main()
