"""A bar for long work of a command that is no study: what is being done, how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from equipoise.training.progress import listening


@contextmanager
def working_bar() -> Iterator[None]:
    """Show on a terminal what the block reports by `equipoise.training.progress`, until it ends."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(name: str, step: int, n_steps: int) -> None:
            bar.update(task, description=name, completed=step, total=n_steps)

        with listening(show):
            yield
