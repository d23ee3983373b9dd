"""Progress and forecasts: bars on a terminal, lines in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import say
from equipoise.names import printable
from equipoise.training.progress import LOG_SECONDS, listening

FORECAST_SECONDS = 1.0  # of work, from which the rest is forecast


@contextmanager
def reading_bar(title: str = "Reading images") -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (files done, all files) that draws a bar; the bar vanishes at the end.

    In a log file, which has no bar, a line is printed every `LOG_SECONDS`.
    """
    console = Terminal()
    if not console.is_terminal:
        log = WorkLog(say)
        yield lambda done, total: log(title, done, total)
        return
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def download_bar() -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (bytes that have arrived, bytes in all) that draws a bar."""
    columns = (TextColumn("Downloading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Terminal(), transient=True) as bar:
        task = bar.add_task("downloading", total=None, visible=False)
        yield lambda arrived, total: bar.update(task, completed=arrived, total=total, visible=True)


@contextmanager
def working_bar() -> Iterator[None]:
    """Show the progress that the block reports to `equipoise.training.progress`, with forecasts.

    On a terminal as a bar, in a log file as a line every `LOG_SECONDS`.
    """
    console = Terminal(stderr=True)
    if not console.is_terminal:
        with listening(WorkLog(say)):
            yield
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        log = WorkLog(lambda line: bar.console.print(line, highlight=False), only_forecasts=True)

        def show(name: str, step: int, n_steps: int) -> None:
            bar.update(task, description=printable(name), completed=step, total=n_steps)
            log(name, step, n_steps)

        with listening(show):
            yield


class WorkLog:
    """A listener that prints how long each work will take, and how far it is from time to time.

    The forecast comes once, if more than `LOG_SECONDS` are left when `FORECAST_SECONDS` are over.

    Attributes:
        print_line: Where lines go.
        only_forecasts: Whether a bar shows the progress already.
    """

    def __init__(self, print_line: Callable[[str], None], *, only_forecasts: bool = False) -> None:
        self.print_line = print_line
        self.only_forecasts = only_forecasts
        self._name = ""
        self._first_step = 0
        self._start = self._last_line = 0.0
        self._has_forecast = False

    def __call__(self, name: str, step: int, n_steps: int) -> None:
        """See `equipoise.training.progress.Listener`."""
        now = time.monotonic()
        if name != self._name or step < self._first_step:
            self._name, self._first_step = name, step
            self._start = self._last_line = now
            self._has_forecast = False
        done, seconds = step - self._first_step, now - self._start
        if done == 0 or step >= n_steps:
            return
        from equipoise.experiments.running.progress import duration

        left = seconds / done * (n_steps - step)
        if not self._has_forecast and seconds >= FORECAST_SECONDS:
            self._has_forecast = True
            if left >= LOG_SECONDS:
                self._last_line = now
                self.print_line(f"{name}: about {duration(left)} for {n_steps:,}")
        elif now - self._last_line >= LOG_SECONDS and not self.only_forecasts:
            self._last_line = now
            self.print_line(f"{name}: {step:,} of {n_steps:,}, about {duration(left)} left")
