"""What the GPUs of a machine do with the work of a study, in at most ten minutes.

Usage: make gpu, or
    python -m benchmarks.gpu [--minutes 10] [--folder FOLDER] [--json FILE] [--miniature]

Measured are seconds per step and memory of each network and precision, several cells on one GPU
and on all, whether an interrupted fit ends in the same bits, and papers S1 and S3 at the sizes that
they name, on drawn images, as far as the time goes: the steps that were done, and the hours of all.
What is finished in the JSON is not measured again, and fits that were out of time continue from
their checkpoints in the folder: the same command goes on. --miniature tries the script on the
processor with tiny sizes; its numbers mean nothing. Exits with 2 where there is no GPU.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from equipoise.atomic import JsonObject, read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.brains import write_brains
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.reading import read_volumes
from equipoise.data.splits import hold_out
from equipoise.data.volumes.options import VolumeOptions
from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.methods.segmentation import make_segmenter
from equipoise.experiments.protocol import Budget, VolumeBudget
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess, Processes
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.devices import available_devices
from equipoise.training.progress import listening
from studies import s1_chest_xray_gans as s1
from studies import s3_brain_tumor_sampling as s3

Clock = Callable[[], float]  # seconds
NO_GPU = 2  # exit code
PRECISIONS = ("32-true", "bf16-mixed")
# Paper S1 has 1,125 films: 30 passes in batches of 32, and 200 passes in batches of 128.
S1_STEPS, S1_ROUNDS = 1_055, 1_758


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large everything is that is measured.

    Attributes:
        device: Where fits are trained.
        networks: (name, side in px, images in a batch) of the classifiers whose steps are timed.
        n_steps: Steps of a timed fit; those of `n_warmup` are not timed.
        cells: Numbers of cells that share a GPU.
        films: Drawn films of each class of paper S1.
        generators: Those of paper S1.
        s1: Their budget, and that of its classifier.
        s1_network: Its classifier.
        s1_side, s1_gan_side: px.
        brains: (patients, side, depth) of paper S3.
        s3: Its budget.
    """

    device: str
    networks: Sequence[tuple[str, int, int]]
    n_steps: int
    n_warmup: int
    cells: Sequence[int]
    films: tuple[int, ...]
    generators: Sequence[str]
    s1: Budget
    s1_network: str
    s1_side: int
    s1_gan_side: int
    brains: tuple[int, int, int]
    s3: VolumeBudget


FULL = Sizes(
    device="cuda",
    networks=(
        ("small_cnn", 64, 32),
        ("resnet18", 128, 32),
        ("mobilenet_v2", 224, 32),
        ("densenet121", 224, 32),
    ),
    n_steps=60,
    n_warmup=20,
    cells=(1, 2, 4),
    films=(500, 500, 125),
    generators=("wgan_gp", "dcgan", "bagan_gp"),
    s1=replace(s1.BUDGET, n_steps=S1_STEPS, gan_steps=S1_ROUNDS, device="cuda"),
    s1_network="densenet121",
    s1_side=224,
    s1_gan_side=64,
    brains=(4, 240, 155),
    s3=replace(s3.PAPER, device="cuda"),
)
MINIATURE = Sizes(
    device="cpu",
    networks=(("small_cnn", 32, 4),),
    n_steps=3,
    n_warmup=1,
    cells=(1,),
    films=(10, 10, 8),
    generators=("dcgan",),
    s1=Budget(n_steps=2, batch_size=4, gan_steps=2, gan_batch_size=4, gan_channels=4, device="cpu"),
    s1_network="small_cnn",
    s1_side=32,
    s1_gan_side=32,
    brains=(2, 32, 8),
    s3=VolumeBudget(
        n_steps=4, epoch_steps=2, batch_size=4, patch_size=32, width=4, candidates=8, device="cpu"
    ),
)


class OutOfTimeError(Exception):
    """The time of a part has ended."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one part may use.

    Attributes:
        sizes: How large everything is.
        folder: Where it keeps files between calls.
        clock: Returns seconds.
        deadline: The second at which it ends.
    """

    sizes: Sizes
    folder: Path
    clock: Clock
    deadline: float

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU is used."""
        return self.sizes.device.startswith("cuda")

    def timed(self, fit: Callable[[], object]) -> JsonObject:
        """Run a fit until it ends or the time does.

        Returns:
            "steps" that are done, of "n_steps", "finished", "ms_per_step" after the warm-up,
            "hours_of_all" steps at that pace, and on a GPU "device_mb", the peak of its tensors.
        """
        times: dict[int, float] = {}  # steps done -> second, of the last fit
        last: tuple[str, int] = ("", 0)

        def listen(name: str, step: int, n_steps: int) -> None:
            nonlocal last
            if self.on_gpu and (step == n_steps or not step % 10):
                torch.cuda.synchronize()
            if (name, n_steps) != last:
                times.clear()
            last = name, n_steps
            times[step] = self.clock()
            if times[step] > self.deadline and step < n_steps:
                raise OutOfTimeError

        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        finished = True
        try:
            with listening(listen):
                fit()
        except OutOfTimeError:
            finished = False
        if not times:  # it was finished before
            return {"finished": True}
        n_steps = last[1]
        row: dict[str, Any] = {"finished": finished, "n_steps": n_steps, "steps": max(times)}
        first = min(min(times) + self.sizes.n_warmup, max(times))
        if max(times) > first:
            seconds = (times[max(times)] - times[first]) / (max(times) - first)
            row["ms_per_step"] = round(1000 * seconds, 3)
            row["hours_of_all"] = round(seconds * n_steps / 3600, 3)
        if self.on_gpu:
            row["device_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        return row


def films_of(side: int, counts: Sequence[int]) -> ImageDataset:
    """Draw films of two or three classes."""
    return chest_films(counts, size=side)


def step_speed(network: str, side: int, batch_size: int, precision: str, part: Part) -> JsonObject:
    """Time the steps of a classifier."""
    classifier = ImageClassifier(
        network=network,
        n_steps=part.sizes.n_steps,
        batch_size=batch_size,
        precision=precision,
        device=part.sizes.device,
    )
    films = films_of(side, (2 * batch_size, batch_size))
    row = part.timed(lambda: classifier.fit(films.images, films.labels))
    return {**row, "side": side, "batch_size": batch_size}


def resumed_fit(method: str, part: Part) -> JsonObject:
    """Interrupt a fit in its middle, resume it, and compare it with an uninterrupted one."""
    sizes = part.sizes
    films = films_of(sizes.networks[0][1], (24, 12))
    budget = replace(
        sizes.s1, n_steps=sizes.n_steps, gan_steps=sizes.n_steps, gan_precision="32-true"
    )
    fitted = build_methods([method], budget)[method].steps[0][1]

    def results(workspace: str) -> np.ndarray:
        folder = part.folder / f"resume-{method}-{workspace}"
        fitted.fit(films.images, films.labels, workspace=folder)
        if isinstance(fitted, ImageClassifier):
            return np.asarray(fitted.predict_proba(films.images))
        return np.asarray(fitted.generate(np.ones(16, dtype=np.int64)))

    def stop(_name: str, step: int, n_steps: int) -> None:
        if step > n_steps // 2:
            raise OutOfTimeError

    whole = results("whole")
    stopped = False
    with patch.object(Checkpoint, "due", lambda _checkpoint: True):
        try:
            with listening(stop):
                results("resumed")
        except OutOfTimeError:
            stopped = True
        is_equal = np.array_equal(whole, results("resumed"))
    return {"finished": True, "was_interrupted": stopped, "bit_equal": is_equal}


def shared_gpu(n_cells: int, devices: tuple[str, ...], part: Part) -> JsonObject:
    """Train as many cells at once on some GPUs, twice each, and time them."""
    sizes = part.sizes
    network, side, batch_size = sizes.networks[min(1, len(sizes.networks) - 1)]
    films = films_of(side, (48, 24))
    budget = Budget(
        network=network, n_steps=sizes.n_steps, batch_size=batch_size, device=sizes.device
    )
    study = Study(
        name="sharing",
        dataset=films,
        splits=hold_out(films, n_splits=1),
        methods=build_methods(["none"], budget),
        seeds=tuple(range(2 * n_cells)),
    )
    folder = part.folder / f"cells-{n_cells}-{len(devices)}"
    executor = InProcess() if n_cells == 1 else Processes(n_cells, devices=devices)
    start = part.clock()
    store = run_study(study, folder, executor=executor)
    seconds = part.clock() - start
    n_finished = sum(map(store.has_finished, study.cells()))
    return {
        "finished": True,
        "cells": len(study.seeds),
        "finished_cells": n_finished,
        "network": network,
        "seconds_per_cell": round(seconds / len(study.seeds), 2),
    }


def s1_generator(method: str, part: Part) -> JsonObject:
    """Train a generator of paper S1."""
    sizes = part.sizes
    films = films_of(sizes.s1_gan_side, sizes.films)
    generator = build_methods([method], sizes.s1)[method].steps[0][1]
    workspace = part.folder / f"s1-{method}"
    return part.timed(lambda: generator.fit(films.images, films.labels, workspace=workspace))


def s1_classifier(part: Part) -> JsonObject:
    """Train the classifier of paper S1."""
    sizes = part.sizes
    films = films_of(sizes.s1_side, sizes.films)
    budget = replace(sizes.s1, network=sizes.s1_network)
    classifier = build_methods(["none"], budget)["none"].steps[-1][1]
    workspace = part.folder / "s1-classifier"
    return part.timed(lambda: classifier.fit(films.images, films.labels, workspace=workspace))


def s3_segmenter(sampler: str, part: Part) -> JsonObject:
    """Train a segmenter of paper S3."""
    n, side, depth = part.sizes.brains
    folder = write_brains(part.folder / "brains", n, side=side, depth=depth)
    cache = part.folder / "volumes"
    options = VolumeOptions(labels="brats2013", groups=r"patient-\d+", cache=cache)
    dataset = read_volumes(folder, options).dataset
    segmenter = make_segmenter(part.sizes.s3, sampler)
    workspace = part.folder / f"s3-{sampler}"
    return part.timed(lambda: segmenter.fit(dataset, workspace=workspace))


def parts_of(sizes: Sizes, gpus: tuple[str, ...]) -> dict[str, Callable[[Part], JsonObject]]:
    """Return all parts by name, in the order in which they are measured."""
    parts: dict[str, Callable[[Part], JsonObject]] = {}
    for network, side, batch_size in sizes.networks:
        for precision in PRECISIONS:
            name = f"step of {network}, {side} px, {precision}"
            parts[name] = partial(step_speed, network, side, batch_size, precision)
    for method in ("none", "dcgan"):
        parts[f"resume of {method}"] = partial(resumed_fit, method)
    for n_cells in sizes.cells:
        parts[f"{n_cells} cells on a GPU"] = partial(shared_gpu, n_cells, gpus[:1])
    if len(gpus) > 1:
        parts[f"cells on {len(gpus)} GPUs"] = partial(shared_gpu, len(gpus), gpus)
    for method in sizes.generators:
        parts[f"S1, {method}"] = partial(s1_generator, method)
    parts["S1, classifier"] = s1_classifier
    for sampler in ("random", "hard_example"):
        parts[f"S3, {sampler}"] = partial(s3_segmenter, sampler)
    return parts


def measure(
    sizes: Sizes,
    gpus: tuple[str, ...],
    *,
    seconds: float,
    folder: Path,
    json: Path | None,
    clock: Clock = time.monotonic,
) -> dict[str, Any]:
    """Measure the parts that are not finished; each has an equal share of the time that is left.

    Returns:
        {"parts": {name: row}, ...}, as it is stored.
    """
    parts = parts_of(sizes, gpus)
    rows: dict[str, Any] = {}
    if json is not None and json.is_file():
        rows = dict(read_json(json)["parts"])
    waiting = [name for name in parts if not rows.get(name, {}).get("finished")]
    end = clock() + seconds
    content: dict[str, Any] = {}
    for i, name in enumerate(waiting):
        now = clock()
        if now >= end:
            print("The time is over: the same command goes on.")
            break
        deadline = now + (end - now) / (len(waiting) - i)
        part = Part(sizes=sizes, folder=folder, clock=clock, deadline=deadline)
        rows[name] = parts[name](part)
        print(f"{name}: {rows[name]}", flush=True)
        content = {
            "command": "python -m benchmarks.gpu",
            "devices": available_devices(),
            "machine": machine(),
            "miniature": sizes is MINIATURE,
            "parts": rows,
            "versions": versions(),
        }
        if json is not None:
            write_json(json, content)
    return content or {"parts": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/gpu"), help="for checkpoints")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--miniature", action="store_true", help="tiny sizes, on the processor")
    options = parser.parse_args(arguments)
    gpus: tuple[str, ...] = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    if not gpus and not options.miniature:
        print(
            "Expected a GPU that torch can use, got none. Run this on a machine with one, or try "
            "the script with --miniature.",
            file=sys.stderr,
        )
        return NO_GPU
    sizes = MINIATURE if options.miniature else FULL
    measure(
        sizes,
        () if options.miniature else gpus,
        seconds=60 * options.minutes,
        folder=options.folder / ("miniature" if options.miniature else "full"),
        json=options.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
