"""Forecast how long a study will take, by training a few steps of everything that it trains."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from equipoise.experiments.running.frozen_probe import FrozenProbe, has_frozen
from equipoise.experiments.running.load_generator import busy_cores
from equipoise.experiments.running.probes import ImageProbe, VolumeProbe
from equipoise.experiments.running.protocols import Executor
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a study will take.

    Attributes:
        seconds: Of one cell, by method.
        remaining: Cells that are not finished, in order.
        n_finished: Number of cells that are.
        n_workers: Number of cells trained at once.
        preparation: Seconds of the work that the cells share, before the first of them.
        untimed: Methods that count as the mean of the others, because timing took too long.
        failing: {method: why} of those whose first steps failed; what failed counts as nothing.
    """

    seconds: dict[str, float]
    remaining: Sequence[Cell]
    n_finished: int
    n_workers: int
    preparation: float = 0.0
    untimed: Sequence[str] = ()
    failing: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Seconds until the last cell ends."""
        return self.preparation + makespan(
            [self.seconds[cell.method] for cell in self.remaining], self.n_workers
        )


def measured_forecast(
    study: Study, store: RunStore, executor: Executor, seconds: Mapping[str, float]
) -> Forecast:
    """Return the forecast of a study whose cells have been measured already, as a plan does.

    Args:
        study: Its unfinished cells count.
        store: Where finished cells lie.
        executor: Where the cells will be trained.
        seconds: Of one cell, by method.
    """
    cells = list(study.cells())
    remaining = [cell for cell in cells if not store.has_finished(cell)]
    return Forecast(
        seconds=dict(seconds),
        remaining=remaining,
        n_finished=len(cells) - len(remaining),
        n_workers=executor.n_workers,
    )


def makespan(durations: Iterable[float], n_workers: int) -> float:
    """Return when the last job ends if each free worker takes the next one."""
    free_at = [0.0] * n_workers
    for duration in durations:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


def estimate(
    study: Study,
    store: RunStore,
    executor: Executor,
    clock: Callable[[], float] = perf_counter,
    began: Callable[[str, int, int], None] | None = None,
) -> Forecast:
    """Train each distinct step of the methods for a few optimizer steps, and extrapolate.

    Only cells that are not finished count. Fits that an interrupted run has left in the workspace
    are not looked up, so a continued study may be faster than forecast. No probe is begun after
    `MOST_SECONDS`: where other programs leave little of the processor, the cells are better begun.

    Args:
        study: Its first split is probed.
        store: Where finished cells lie.
        executor: Where the cells will be trained.
        clock: Returns seconds.
        began: Called with each method before its steps are timed, its place and their number.
    """
    import torch

    cells = list(study.cells())
    remaining = [cell for cell in cells if not store.has_finished(cell)]
    probe_type = VolumeProbe if study.task == "segmentation" else ImageProbe
    frozen = FrozenProbe(study, clock) if remaining and has_frozen(study) else None
    # features are computed in this process, by all of its threads
    preparation = frozen.shared_seconds(store.workspace) if frozen else 0.0
    threads_before = torch.get_num_threads()
    torch.set_num_threads(executor.n_threads)
    try:
        with busy_cores(min(executor.n_on_machine, len(remaining)) - 1):
            timings = time_methods(study, remaining, probe_type(study, clock), frozen, began)
    finally:
        torch.set_num_threads(threads_before)
    seconds = timings.seconds
    mean = sum(seconds.values()) / max(1, len(seconds))
    return Forecast(
        seconds=seconds | dict.fromkeys(timings.untimed, mean),
        remaining=remaining,
        n_finished=len(cells) - len(remaining),
        n_workers=executor.n_workers,
        preparation=preparation,
        untimed=timings.untimed,
        failing=timings.failing,
    )


@dataclass(kw_only=True)
class Timings:
    """What `time_methods` found; see `Forecast`."""

    seconds: dict[str, float] = field(default_factory=dict)
    untimed: list[str] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)


def time_methods(
    study: Study,
    cells: Sequence[Cell],
    probe: ImageProbe | VolumeProbe,
    frozen: FrozenProbe | None,
    began: Callable[[str, int, int], None] | None,
) -> Timings:
    """Time the steps of the methods of some cells, until the probe is late."""
    timings = Timings()
    methods = list(dict.fromkeys(cell.method for cell in cells))
    for i, method in enumerate(methods, 1):
        if began is not None:
            began(method, i, len(methods))
        steps = study.methods[method].steps
        has_timed = all(probe.has_timed(step) for _, step in steps)
        has_timed = has_timed and (frozen is None or frozen.has_timed(steps))
        if probe.is_late and not has_timed:
            timings.untimed.append(method)
            continue
        timings.seconds[method] = sum(probe.seconds(step) for _, step in steps)
        if frozen:
            timings.seconds[method] += frozen.cell_seconds(steps)
        for _, step in steps:
            if reason := probe.failure(step):
                timings.failing[method] = reason
    return timings
