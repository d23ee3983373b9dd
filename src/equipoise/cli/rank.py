"""The command `rank`."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command(
        epilog="Example: [bold]equipoise rank runs/films runs/cells runs/skin --out cd.html[/]"
    )(rank)


def rank(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN RUN ...",
            help="Folders of runs on different images, 3 or more.",
            show_default=False,
        ),
    ],
    *,
    metric: Annotated[str, typer.Option(help="Metric to rank by.")] = "balanced_accuracy",
    out: Annotated[Path, typer.Option(help="File of the critical-difference diagram.")] = Path(
        "cd.html"
    ),
) -> None:
    """Rank the methods that several runs share, and draw which of them can be told apart."""
    from equipoise.report.ranks import sentences, write_ranking
    from equipoise.results.ranking import rank_runs

    ranking = rank_runs(folders, metric)
    _show(ranking.methods, ranking.ranks, sentences(ranking))
    print(f"Diagram: {write_ranking(ranking, folders, out)}")  # noqa: T201 (the one line that scripts read)


def _show(methods: tuple[str, ...], ranks: tuple[float, ...], said: list[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, table = Console(), Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("method", no_wrap=True)
    table.add_column("average rank", justify="right")
    for name, value in zip(methods, ranks, strict=True):
        table.add_row(escape(name), f"{value:.2f}")
    console.print(table)
    for sentence in said:
        console.print(escape(sentence), soft_wrap=True, highlight=False)
