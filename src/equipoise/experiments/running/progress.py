"""Show how far a study is: live bars on a terminal, one line per cell elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

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
from rich.text import Text

from equipoise.experiments.running.forecast import (
    Forecast,
    estimate,
    makespan,
    measured_forecast,
)
from equipoise.experiments.running.probes import MOST_SECONDS
from equipoise.experiments.running.protocols import Executor, Observer
from equipoise.experiments.study import Study
from equipoise.names import printable
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, ImageCellRecord, TriedCellRecord
from equipoise.runs.store import RunStore
from equipoise.training.progress import LOG_SECONDS


class Pace:
    """The remaining time: the forecast, corrected by the time that finished cells took.

    Args:
        forecast: Seconds of a cell of each method, and how many run at once.
        clock: Returns seconds; replaced in tests.
    """

    def __init__(self, forecast: Forecast, clock: Callable[[], float] = time.monotonic) -> None:
        self.forecast = forecast
        self.clock = clock
        self.waiting: list[Cell] = []
        self.started_at: dict[Cell, float] = {}  # of the running cells
        self.measured = 0.0  # seconds of the finished cells
        self.n_measured = 0  # finished cells
        self.predicted = 0.0  # what the forecast had promised for them

    def began(self, cell: Cell) -> None:
        """Note that a cell begins now."""
        self.waiting = [waiting for waiting in self.waiting if waiting != cell]
        self.started_at[cell] = self.clock()

    def ended(self, cell: Cell, *, done: bool) -> float:
        """Return the seconds that a cell took; a failed one does not correct the forecast."""
        now = self.clock()
        seconds = now - self.started_at.pop(cell, now)
        if done:
            self.measured += seconds
            self.n_measured += 1
            self.predicted += self.forecast.seconds[cell.method]
        return seconds

    def remaining(self) -> float:
        """Estimate the seconds until the last cell ends."""
        now = self.clock()
        durations = []
        for cell, start in self.started_at.items():
            durations.append(max(0.0, self._seconds_of(cell) - (now - start)))
        for cell in self.waiting:
            durations.append(self._seconds_of(cell))
        return makespan(durations, self.forecast.n_workers)

    def left(self) -> str:
        """Return how long it will take yet; empty where nothing was forecast or measured."""
        seconds = self.remaining()
        return f"{duration(seconds)} left" if seconds else ""

    def _seconds_of(self, cell: Cell) -> float:
        """Return the corrected forecast of a cell; without one, the mean of finished cells."""
        forecast = self.forecast.seconds[cell.method]
        if not forecast:
            return self.measured / self.n_measured if self.n_measured else 0.0
        return forecast * self.measured / self.predicted if self.predicted else forecast


class ProgressLines(Observer):
    """Prints one line for each finished cell."""

    def __init__(self, console: Console, pace: Pace) -> None:
        self.console = console
        self.pace = pace
        self.n_done = 0
        self.n_cells = 0

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        if step == 1:
            self.print(f"Before the first cell: {n_steps:,} {escape(work)}, shared by all.")

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """See `Observer`."""
        self.n_done = len(finished)
        self.n_cells = len(finished) + len(remaining)
        self.pace.waiting = list(remaining)
        if finished and remaining:
            self.print(f"{len(finished)} of {self.n_cells} cells are already finished.")

    def began(self, cell: Cell) -> None:
        """See `Observer`."""
        self.pace.began(cell)

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """See `Observer`."""
        important = isinstance(record, FailedCellRecord)
        seconds = self.pace.ended(cell, done=not important)
        self.n_done += 1
        result = duration(seconds)
        if isinstance(record, FailedCellRecord):
            result = f"[red]failed[/]: {escape(record.error)}"
        if self.n_done < self.n_cells and (left := self.pace.left()):
            result += f", {left}"
        line = f"{self.n_done:>3}/{self.n_cells} {escape(str(cell))}: {result}"
        if isinstance(record, ImageCellRecord):
            line += "".join(f". {escape(note)}" for note in record.notes)
            important = bool(record.notes)
        self.print(line, important=important)

    def print(self, line: str, *, important: bool = False) -> None:
        """Print one line of markup; failures and notes are important."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=True)


class ProgressBars(ProgressLines):
    """Shows a bar for the study and one for each running cell; prints important lines only."""

    def __init__(self, bars: Progress, pace: Pace) -> None:
        super().__init__(bars.console, pace)
        self.bars = bars
        self.study_bar = bars.add_task("Study", total=None, note="")
        self.cell_bars: dict[Cell, TaskID] = {}

    def prepared(self, work: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        self.bars.update(self.study_bar, completed=step, total=n_steps, note=escape(work))

    def started(self, finished: Sequence[Cell], remaining: Sequence[Cell]) -> None:
        """See `Observer`."""
        super().started(finished, remaining)
        self._refresh()

    def began(self, cell: Cell) -> None:
        """See `Observer`."""
        super().began(cell)
        self.cell_bars[cell] = self.bars.add_task(escape(str(cell)), total=None, note="")

    def stepped(self, cell: Cell, fit: str, step: int, n_steps: int) -> None:
        """See `Observer`."""
        bar = self.cell_bars[cell]
        self.bars.update(bar, completed=step, total=n_steps, note=escape(fit))
        self._refresh()

    def ended(self, cell: Cell, record: TriedCellRecord) -> None:
        """See `Observer`."""
        super().ended(cell, record)
        self.bars.remove_task(self.cell_bars.pop(cell))
        self._refresh()

    def print(self, line: str, *, important: bool = False) -> None:
        """Print failures and notes only; the bars show the rest."""
        if important:
            super().print(line, important=True)

    def _refresh(self) -> None:
        left = self.pace.left()
        self.bars.update(self.study_bar, completed=self.n_done, total=self.n_cells, note=left)


@contextmanager
def watching(
    study: Study,
    store: RunStore,
    executor: Executor,
    console: Console | None = None,
    *,
    outlook: Callable[[], str] | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Iterator[Observer]:
    """Announce how long a study will take, then show its progress while the block runs it.

    Args:
        study: Its unfinished cells are forecast.
        store: Where finished cells lie.
        executor: Where the cells will be trained.
        console: Where to print; standard output where None.
        outlook: Returns what the study can detect, in one line, "" for nothing; called if any cell
            remains.
        seconds: Of a cell of each method, where they were measured; probed where None.
    """
    console = console or Console()
    if seconds is not None:
        forecast = measured_forecast(study, store, executor, seconds)
    else:
        with _timing_shown(console) as began:
            forecast = estimate(study, store, executor, began=began)
    console.print(announcement(forecast), highlight=False, soft_wrap=True, markup=False)
    line = outlook() if forecast.remaining and outlook is not None else ""
    if line:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    with _display(console, Pace(forecast)) as observer:
        yield observer


@contextmanager
def _timing_shown(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows which method is timed; in a log file, every `LOG_SECONDS`."""
    last = time.monotonic()
    with console.status("Timing a few steps of each method") as status:

        def show(method: str, place: int, n_methods: int) -> None:
            nonlocal last
            line = f"Timing a few steps of {method}, {place} of {n_methods} methods"
            status.update(Text(printable(line)))
            if not console.is_terminal and time.monotonic() - last >= LOG_SECONDS:
                last = time.monotonic()
                console.print(line, highlight=False, soft_wrap=True)

        yield show


@contextmanager
def _display(console: Console, pace: Pace) -> Iterator[Observer]:
    if not console.is_terminal:
        yield ProgressLines(console, pace)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    ) as bars:
        yield ProgressBars(bars, pace)


def announcement(forecast: Forecast) -> str:
    """Return one line on how much there is to do."""
    n_workers = forecast.n_workers
    if not forecast.remaining:
        return f"All {forecast.n_finished} cells are finished."
    finished = f"{forecast.n_finished} finished, " if forecast.n_finished else ""
    at_once = f"{n_workers} at a time" if n_workers > 1 else "one after the other"
    cells = f"{finished}{len(forecast.remaining)} cells to train, {at_once}"
    failing = ""
    for method, reason in forecast.failing.items():
        failing += f" A first step of {method} failed, and counts as nothing: {reason}"
    if forecast.total == 0:  # methods of a third party without steps, or whose probes fail
        return f"{cells}; how long is not known.{failing}"
    shared = ""
    if forecast.preparation:
        shared = f", {duration(forecast.preparation)} of them for features that all cells share"
    cut = ""
    if forecast.untimed:
        n, n_methods = len(forecast.untimed), len(forecast.seconds)
        cut = (
            f" Timing was ended after {duration(MOST_SECONDS)}, because the machine is busy or the "
            f"methods are many: {n} of {n_methods} methods count as the mean of the others."
        )
    return f"{cells}: about {duration(forecast.total)}{shared}.{cut}{failing}"


def duration(seconds: float) -> str:
    """Format seconds for people: 8 s, 3 min, 2 h 10 min.

    >>> duration(7800)
    '2 h 10 min'
    """
    if round(seconds) < 120:  # "2 min" for 90 s would be a third too much
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
