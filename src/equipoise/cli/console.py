"""What the terminal shows: bars while reading, the plan before a run, the table after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from equipoise.experiments.table import Results

console = Console()


@contextmanager
def reading_bar() -> Iterator[Callable[[int, int], None]]:
    """Give a function (files done, files in all) that draws a bar, gone when reading is over."""
    columns = (TextColumn("Reading images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
