"""Show how far a study is: a live bar on a terminal, plain lines elsewhere, silence in tests."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from equipoise.experiments.description import describe
from equipoise.experiments.running.forecast import Forecast, estimate, makespan
from equipoise.results.power import outlook
from equipoise.runs.cell import Cell

if TYPE_CHECKING:
    from equipoise.experiments.running.executors import Executor
    from equipoise.experiments.study import Study
    from equipoise.runs.store import RunStore

MANY = 8  # methods; the forecast of fewer is quick


class Observer:
    """Is told how a study goes; this one keeps silent."""

    def started(self, kept: Sequence[Cell], left: Sequence[Cell]) -> None:
        """Take the cells that are finished already and those that will be trained, in order."""

    def began(self, cell: Cell) -> None:
        """Take the cell whose training begins."""

    def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
        """Take how far the fit inside a cell has come."""

    def ended(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """Take the stored record of a finished or failed cell."""


class Pace:
    """The remaining time: the forecast first, then corrected by the time that finished cells took."""

    def __init__(self, forecast: Forecast, clock: Callable[[], float] = time.monotonic) -> None:
        self.forecast, self.clock = forecast, clock
        self.waiting: list[Cell] = []
        self.running: dict[Cell, float] = {}
        self.taken = self.predicted = 0.0

    def began(self, cell: Cell) -> None:
        """Note when a cell begins."""
        self.waiting = [c for c in self.waiting if c != cell]
        self.running[cell] = self.clock()

    def ended(self, cell: Cell, *, done: bool) -> float:
        """Return the seconds that a cell took; a failed one teaches nothing about the others."""
        taken = self.clock() - self.running.pop(cell, self.clock())
        if done:
            self.taken += taken
            self.predicted += self.forecast.seconds[cell.method]
        return taken

    def remaining(self) -> float:
        """Estimate the seconds until the last cell ends."""
        factor = self.taken / self.predicted if self.predicted else 1.0
        begun = [
            self._whole(c, factor) - (self.clock() - start) for c, start in self.running.items()
        ]
        durations = [max(0.0, rest) for rest in begun] + [
            self._whole(c, factor) for c in self.waiting
        ]
        return makespan(durations, self.forecast.n_workers)

    def _whole(self, cell: Cell, factor: float) -> float:
        return factor * self.forecast.seconds[cell.method]


class Lines(Observer):
    """One line for each finished cell."""

    def __init__(self, console: Console, pace: Pace) -> None:
        self.console, self.pace = console, pace
        self.n_done = self.n_cells = 0

    def started(self, kept: Sequence[Cell], left: Sequence[Cell]) -> None:
        """See `Observer`."""
        self.n_done, self.n_cells = len(kept), len(kept) + len(left)
        self.pace.waiting = list(left)
        if kept and left:
            self.say(f"{len(kept)} of {self.n_cells} cells are finished already.")

    def began(self, cell: Cell) -> None:
        """See `Observer`."""
        self.pace.began(cell)

    def ended(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """See `Observer`."""
        done = record["status"] == "done"
        taken = self.pace.ended(cell, done=done)
        self.n_done += 1
        result = f"{duration(taken)}" if done else f"[red]failed[/]: {escape(record['error'])}"
        left = f", {duration(self.pace.remaining())} left" if self.n_done < self.n_cells else ""
        self.say(f"{self.n_done:>3}/{self.n_cells} {cell}: {result}{left}", bad=not done)

    def say(self, line: str, *, bad: bool = False) -> None:
        """Print one line of markup; `bad` ones tell of a failure."""
        self.console.print(line, highlight=False, soft_wrap=True)


class Bars(Lines):
    """One bar for the study and one for each running cell; lines for failures only."""

    def __init__(self, bars: Progress, pace: Pace) -> None:
        super().__init__(bars.console, pace)
        self.bars = bars
        self.study = bars.add_task("Study", total=None, note="")
        self.tasks: dict[Cell, TaskID] = {}

    def started(self, kept: Sequence[Cell], left: Sequence[Cell]) -> None:
        """See `Observer`."""
        super().started(kept, left)
        self._refresh()

    def began(self, cell: Cell) -> None:
        """See `Observer`."""
        super().began(cell)
        self.tasks[cell] = self.bars.add_task(str(cell), total=None, note="")

    def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        self.bars.update(self.tasks[cell], completed=step, total=n_steps, note=escape(fit))
        self._refresh()

    def ended(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """See `Observer`."""
        super().ended(cell, record)
        self.bars.remove_task(self.tasks.pop(cell))
        self._refresh()

    def say(self, line: str, *, bad: bool = False) -> None:
        """Print what went wrong only; the bar shows the rest."""
        if bad:
            super().say(line, bad=bad)

    def _refresh(self) -> None:
        note = f"{duration(self.pace.remaining())} left"
        self.bars.update(self.study, completed=self.n_done, total=self.n_cells, note=note)


@contextmanager
def watching(
    study: "Study", store: "RunStore", executor: "Executor", console: Console | None = None
) -> Iterator[Observer]:
    """Say how long a study will take and what it can find, then show how it goes while the block runs it."""
    console = console or Console()
    try:
        if len(study.methods) > MANY:
            console.print(
                f"Trying each of {len(study.methods)} methods for some seconds to say how long they will take."
            )
        forecast = estimate(study, store, executor)
        console.print(announcement(forecast), highlight=False)
        if forecast.left and study.task == "classification" and (reach := outlook(describe(study))):
            console.print(escape(reach), highlight=False, soft_wrap=True)
        with _display(console, Pace(forecast)) as observer:
            yield observer
    except KeyboardInterrupt:
        console.print(
            "Stopped. Finished cells are kept; the same command goes on from there.", soft_wrap=True
        )
        raise


@contextmanager
def _display(console: Console, pace: Pace) -> Iterator[Observer]:
    if not console.is_terminal:
        yield Lines(console, pace)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, TextColumn("{task.fields[note]}"), console=console, transient=True
    ) as bars:
        yield Bars(bars, pace)


def announcement(forecast: Forecast) -> str:
    """Say before the start how much there is to do."""
    if not forecast.left:
        return f"All {forecast.n_kept} cells are finished."
    kept = f"{forecast.n_kept} finished, " if forecast.n_kept else ""
    workers = f"{forecast.n_workers} at a time" if forecast.n_workers > 1 else "one after the other"
    return (
        f"{kept}{len(forecast.left)} cells to train, {workers}: about {duration(forecast.total)}."
    )


def duration(seconds: float) -> str:
    """Write seconds for people: 8 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
