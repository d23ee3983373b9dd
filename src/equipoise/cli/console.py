"""What the terminal shows: a bar while reading, the families, the table and the verdict after a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from equipoise.results.records import RANKING, Comparison, MethodResult, Results, Summary
from equipoise.runs.description import SEGMENTATION
from equipoise.training.progress import listening

WIDTH = 118  # characters of the table in a log, for names
USUAL_NAME = 14  # of so many
COLORS = {"better": "green", "worse": "red"}


@contextmanager
def reading_bar(title: str = "Reading images") -> Iterator[Callable[[int, int], None]]:
    """Give a function (files done, files in all) that draws a bar, gone when reading is over."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show_results(results: Results) -> None:
    """Print the table of methods, the verdict and what failed."""
    console = Console()
    if not console.is_terminal:  # a log file has no width of its own
        longest = max(len(method.method) for method in results.methods)
        console = Console(width=WIDTH + max(0, longest - USUAL_NAME))
    console.print(results_table(results))
    for sentence in (*results.verdict, *([results.contest.sentence] if results.contest else [])):
        console.print(f"[bold]{escape(sentence)}[/]", soft_wrap=True, highlight=False)
    for failure in results.failures:
        console.print(
            f"[red]Failed:[/] {escape(str(failure.cell))}: {escape(failure.error)}",
            soft_wrap=True,
            highlight=False,
        )


def results_table(results: Results) -> Table:
    """Lay out the methods: primary metric, its difference to the baseline, and what else is seen first."""
    shown, about = _shown(results)
    title = f"{about}Mean ± sd; difference in {results.metrics[results.primary_metric].label}."
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("method", no_wrap=True)
    for name in shown:
        table.add_column(
            results.metrics[name].label.replace(" ", "\n"), justify="right", no_wrap=True
        )
    table.add_column(escape(f"minus {results.baseline}\n[95 % interval]"), no_wrap=True)
    table.add_column("p\n(Holm)", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=13)
    for method in results.methods:
        row = _comparison(results, method)
        table.add_row(
            escape(method.method),
            *(_mean(method.metrics[name]) for name in shown),
            *_difference(row),
        )
    return table


def _shown(results: Results) -> tuple[list[str], str]:
    """Give the metrics that a terminal has room for, and what they are about."""
    if results.task == SEGMENTATION:
        return list(results.headline), ""
    positive = results.class_names[results.rare_class]
    shown = dict.fromkeys((results.primary_metric, RANKING, "rare_recall"))
    return list(shown), f"Positive (rare) class: {positive}. "


def _comparison(results: Results, method: MethodResult) -> Comparison | None:
    asked = (method.method, results.primary_metric)
    return next((row for row in results.comparisons if (row.method, row.metric) == asked), None)


def _mean(summary: Summary) -> str:
    if not summary.n_runs:
        return "-"
    return f"{summary.mean:.3f}" + (f" ± {summary.sd:.3f}" if summary.n_runs > 1 else "")


def _difference(row: Comparison | None) -> tuple[str, str, str]:
    if row is None:
        return "baseline", "", ""
    color = COLORS.get(row.verdict, "default")
    verdict = f"[{color}]{row.verdict}[/]"
    if row.low != row.low:  # NaN: no interval
        return "-", "-", verdict
    return f"{row.difference:+.3f} \\[{row.low:+.3f}, {row.high:+.3f}]", _p(row.p_holm), verdict


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


@contextmanager
def working_bar() -> Iterator[None]:
    """Show on a terminal what the block reports by `equipoise.training.progress`, until it ends."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def show(name: str, step: int, n_steps: int) -> None:
            bar.update(task, description=name, completed=step, total=n_steps)

        with listening(show):
            yield
