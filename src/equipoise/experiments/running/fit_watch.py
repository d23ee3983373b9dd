"""Observe the fits inside a cell: progress, durations, histories, use of checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from sklearn.pipeline import Pipeline

from equipoise.runs.outcome import HistoryRow
from equipoise.training.loop import History
from equipoise.training.progress import Listener


class FitWatch:
    """Passes progress reports on, counts fits, and notices one that used a checkpoint.

    Attributes:
        n_fits: Number of fits that reported at least one step.
        resumed: Whether the first report of any fit was beyond step 1.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.n_fits = 0
        self.resumed = False
        self._last = ("", 0)

    def __call__(self, name: str, step: int, n_steps: int) -> None:
        """Receive a report of `equipoise.training.progress`."""
        if (name, step - 1) != self._last:
            self.n_fits += 1
            self.resumed |= step > 1
        self._last = (name, step)
        self.listener(name, step, n_steps)

    def was_resumed(self, pipeline: Pipeline) -> bool:
        """Return whether a checkpoint or a finished fit was used.

        A finished fit leaves a history but reports no step.
        """
        n_histories = 0
        for _, step in pipeline.steps:
            n_histories += len(histories_of(step))
        return self.resumed or self.n_fits < n_histories


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the duration of the block to a stage."""
    start = perf_counter()
    yield
    seconds[stage] += perf_counter() - start


def histories_of(step: Any) -> dict[str, History]:
    """Return the histories of a step by name; fits of several stages have `histories_`."""
    histories = getattr(step, "histories_", None) or getattr(step, "history_", {})
    return histories if isinstance(histories, dict) else {"": histories}


def history_rows(pipeline: Pipeline) -> list[HistoryRow]:
    """Return everything that the fits of a method recorded: (stage, step, name, value)."""
    rows: list[HistoryRow] = []
    for stage, step in pipeline.steps:
        for name, history in histories_of(step).items():
            full_stage = f"{stage}/{name}" if name else stage
            for row in history.rows:
                for key in sorted(row):  # a fit read from JSON has another order
                    if key != "step":
                        rows.append((full_stage, int(row["step"]), key, row[key]))
    return rows
