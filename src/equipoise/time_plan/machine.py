"""Measure this machine: seconds of features and of optimizer steps, and weights on its disk."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import torch

from equipoise.arrays import Images, value_range
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import CHEAP_METHODS, Budget
from equipoise.experiments.running.load_generator import busy_cores
from equipoise.features.base import seconds_for
from equipoise.features.choosing import choose_extractors
from equipoise.networks.backbone import OFFICIAL
from equipoise.networks.backbones import find_backbone
from equipoise.networks.named_weights import fetch_weights, find_weights
from equipoise.networks.weight_files import Progress
from equipoise.time_plan.plan import TrainingSetting
from equipoise.training.allocator import keep_freed_memory

FEW, MANY = 8, 40  # images whose features are timed: full batches; the difference counts
SLOW = 4.0  # seconds of the few from which no more are timed
STEPS = (1, 5)  # of the fits whose difference is timed
N_IMAGES = 64  # that the timed steps train on
WATCHED = 0.5  # seconds in which the load of other programs is measured


class Machine:
    """Measures on random images; a `Meter`.

    Args:
        budget: What the measured classifier may spend, apart from the measured setting.
        n_workers: Cells trained at once.
        n_threads: Threads of each.
        clock: Returns seconds.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        n_workers: int,
        n_threads: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.budget = budget
        self.n_workers = n_workers
        self.n_threads = n_threads
        self.clock = clock
        keep_freed_memory()

    def feature_seconds(self, setting: TrainingSetting, channels: int) -> float:
        """See `Meter`."""
        classifier = self._baseline(setting)
        images = random_images(FEW + FEW + MANY, channels, setting.size)
        span = value_range(images)
        with TemporaryDirectory() as folder:

            def seconds_of(batch: Images) -> float:
                start = self.clock()
                classifier.prepare(batch, span, Path(folder))
                return self.clock() - start

            seconds_of(images[:FEW])  # warm-up: imports, weights, kernels
            of_few = seconds_of(images[FEW : 2 * FEW])
            if of_few > SLOW:
                return of_few / FEW
            of_many = seconds_of(images[2 * FEW :])
        return max(of_many - of_few, 1e-6) / (MANY - FEW)

    def step_seconds(self, setting: TrainingSetting, channels: int) -> float:
        """See `Meter`."""
        images = random_images(N_IMAGES, channels, setting.size)
        labels = np.arange(N_IMAGES) % 2

        def seconds_of(n_steps: int) -> float:
            classifier = self._baseline(setting).set_params(n_steps=n_steps)
            start = self.clock()
            classifier.fit(images, labels)
            return self.clock() - start

        with busy_cores(self.n_workers - 1), threads(self.n_threads):
            seconds_of(STEPS[0])
            short, long = seconds_of(STEPS[0]), seconds_of(STEPS[1])
        return max(long - short, 1e-4) / (STEPS[1] - STEPS[0])

    def extractor_seconds(self, images: Images) -> Sequence[float]:
        """See `Meter`."""
        extractors, _ = choose_extractors(value_range(images), device=self.budget.device)
        return [seconds_for(extractor, 1, images) for extractor in extractors]

    def cores_of_others(self) -> float:
        """See `Meter`."""
        by_core = psutil.cpu_percent(interval=WATCHED, percpu=True)  # this process waits
        return float(sum(by_core)) / 100

    def _baseline(self, setting: TrainingSetting) -> Any:
        methods = build_methods(CHEAP_METHODS[:1], setting.budget(self.budget))
        _, classifier = methods[CHEAP_METHODS[0]].steps[-1]
        return classifier


class Shelf:
    """The weights on this machine; a `WeightsShelf`.

    Args:
        progress: Receives the bytes of a download.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress

    def has_weights(self, network: str) -> bool:
        """See `WeightsShelf`."""
        return bool(find_backbone(network).weights)

    def is_here(self, network: str) -> bool:
        """See `WeightsShelf`."""
        return find_weights(network).file is not None

    def fetch(self, network: str) -> None:
        """See `WeightsShelf`."""
        fetch_weights(network, self.progress)
        find_backbone(network).check_weights(OFFICIAL)


def random_images(n: int, channels: int, side: int) -> Images:
    """Return random images (n, c, side, side), uint8."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(n, channels, side, side), dtype=np.uint8)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute on `n` threads until the block ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
