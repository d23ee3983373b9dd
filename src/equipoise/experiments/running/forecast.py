"""How long a study will take, found by training a few steps of everything that it trains."""

import heapq
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.experiments.parameters import SEED, parameters
from equipoise.runs.cell import Cell

if TYPE_CHECKING:
    from equipoise.experiments.running.executors import Executor
    from equipoise.experiments.study import Study
    from equipoise.runs.store import RunStore

STEPS = "n_steps"  # parameter of everything that trains, nested ones too
PROBE_SECONDS = 1.5  # of one such parameter; after this no longer probe is begun
PROBED_IMAGES = 64  # synthetic ones, for the time that one takes
MOST_IMAGES, LEAST_PER_CLASS = 2000, 32  # of the training images, enough for a probe
NEIGHBOR = """
import os
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
import numpy
parent, factor = os.getppid(), numpy.ones((256, 256), numpy.float32)
while os.getppid() == parent:
    factor @ factor
"""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a study will take.

    Attributes:
        seconds: Of one cell, by method.
        left: Cells that are not finished.
        n_kept: Number of cells that are.
        n_workers: Cells trained at once.
    """

    seconds: dict[str, float]
    left: Sequence[Cell]
    n_kept: int
    n_workers: int

    @property
    def total(self) -> float:
        """Seconds until the last cell ends."""
        return makespan([self.seconds[cell.method] for cell in self.left], self.n_workers)


def makespan(durations: Iterable[float], n_workers: int) -> float:
    """Say when the last job ends if each free worker takes the next one."""
    free_at = [0.0] * n_workers
    for duration in durations:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


def estimate(
    study: "Study",
    store: "RunStore",
    executor: "Executor",
    clock: Callable[[], float] = perf_counter,
) -> Forecast:
    """Train each distinct step of the methods for a few steps on the real training images, and extrapolate.

    Only cells that are not finished count. Generators that such a cell will find finished are not known here, so
    a continued study may be faster.
    """
    import torch

    left = [cell for cell in study.cells() if not store.has(cell)]
    methods = dict.fromkeys(cell.method for cell in left)
    before = torch.get_num_threads()
    torch.set_num_threads(executor.n_threads)
    try:
        with busy_cores(min(executor.n_workers, len(left)) - 1):
            probe = _probe_of(study, clock)
            seconds = {
                name: sum(probe.seconds(step) for _, step in study.methods[name].steps)
                for name in methods
            }
    finally:
        torch.set_num_threads(before)
    n_kept = len(list(study.cells())) - len(left)
    return Forecast(seconds=seconds, left=left, n_kept=n_kept, n_workers=executor.n_workers)


def _probe_of(study: "Study", clock: Callable[[], float]) -> "Probe":
    from equipoise.experiments.running.probes import VolumeProbe

    return (VolumeProbe if study.task == "segmentation" else Probe)(study, clock)


@contextmanager
def busy_cores(n: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Let `n` processes compute meanwhile: with idle neighbors a probe is up to twice as fast as a worker."""
    with ExitStack() as stack:
        neighbors = []
        for _ in range(n):
            process = subprocess.Popen([sys.executable, "-c", NEIGHBOR])  # noqa: S603 (our own text)
            stack.callback(process.wait)
            stack.callback(process.kill)
            neighbors.append(process)
        yield neighbors


@dataclass
class Probe:
    """Measures steps of methods on the first split; equal steps once."""

    study: "Study"
    clock: Callable[[], float]
    known: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        split = self.study.splits[0]
        rows = some_of_each(split.train, self.study.images)
        self.scale = len(split.train) / len(rows)
        self.train, self.held = (
            self.study.images.subset(rows),
            self.study.images.subset(split.validation),
        )
        self.n_test = len(split.test)

    def seconds(self, step: Any) -> float:
        """Estimate one full run of a step; 0 for steps that train nothing and for those that cannot be trained."""
        if not lengths(step):
            return 0.0
        settings = {name: value for name, value in parameters(step).items() if name != SEED}
        key = json.dumps([type(step).__qualname__, settings], sort_keys=True)
        if key not in self.known:
            try:
                self.known[key] = self._measure(step)
            except Exception:  # noqa: BLE001 (the cell will meet the same error, which is stored and shown there)
                self.known[key] = 0.0
        return self.known[key]

    def _measure(self, step: Any) -> float:
        asked = lengths(step)
        few = dict.fromkeys(asked, 1)
        self._fit(step, few)  # the first run also pays for what later ones find in place
        low, fitted = self._fit(step, few)
        each = {name: self._pace(step, few, name, low) for name in asked}
        once = max(0.0, low - sum(each.values())) * self.scale
        trained = once + sum(each[name] * n for name, n in asked.items())
        return float(trained + self._scoring(step, fitted) + self._making(fitted))

    def _pace(self, step: Any, few: dict[str, int], name: str, low: float) -> float:
        """Measure the seconds of one more step of what `name` counts."""
        until, many = self.clock() + PROBE_SECONDS, 2
        high, _ = self._fit(step, {**few, name: many})
        while self.clock() < until and many < lengths(step)[name]:
            many *= 2
            high, _ = self._fit(step, {**few, name: many})
        return max(0.0, (high - low) / (many - 1))

    def _fit(self, step: Any, asked: dict[str, int]) -> tuple[float, Any]:
        copy = clone(step).set_params(**asked)
        start = self.clock()
        held = (self.held.images, self.held.labels)
        fit = copy.fit if hasattr(copy, "fit") else copy.fit_resample
        fit(self.train.images, self.train.labels, validation=held, workspace=None)
        return self.clock() - start, copy

    def _making(self, fitted: Any) -> float:
        """Estimate the making of all synthetic images from a few."""
        wanted = getattr(fitted, "wanted_", {})
        if not (wanted and hasattr(fitted, "generate")):
            return 0.0
        start = self.clock()
        fitted.generate(np.full(PROBED_IMAGES, next(iter(wanted))))
        each = (self.clock() - start) / PROBED_IMAGES
        return float(each * sum(wanted.values()) * self.scale)

    def _scoring(self, step: Any, fitted: Any) -> float:
        """Estimate the predictions of a classifier: while it trains, and of the held-out images at the end."""
        if not hasattr(fitted, "predict_proba"):
            return 0.0
        start = self.clock()
        fitted.predict_proba(self.held.images)
        each = (self.clock() - start) / len(self.held)
        n_scorings = step.n_steps // getattr(step, "evaluate_every", step.n_steps)
        return float(each * ((n_scorings + 1) * len(self.held) + self.n_test))


def lengths(step: Any) -> dict[str, int]:
    """List the numbers of steps of everything that a step of a method trains, by parameter."""
    deep = step.get_params(deep=True).items()
    return {name: int(value) for name, value in deep if name.split("__")[-1] == STEPS}


def some_of_each(rows: Rows, dataset: ImageDataset) -> Rows:
    """Keep `MOST_IMAGES` rows or a few more, in the proportions of the classes but enough of each."""
    labels, share = dataset.labels[rows], MOST_IMAGES / len(rows)
    of_class = [rows[labels == label] for label in np.unique(labels)]
    return np.sort(
        np.concatenate([r[: max(LEAST_PER_CLASS, int(share * len(r)))] for r in of_class])
    )
