"""The command `rank`."""

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import answer, conclude, plain


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    example = "equipoise rank runs/films runs/cells runs/skin --out cd.html"
    app.command(epilog=f"Example: [bold]{example}[/]")(rank)


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
    metric: Annotated[str, typer.Option(help="Metric to rank by.")] = "decided_balanced_accuracy",
    out: Annotated[Path, typer.Option(help="File of the critical-difference diagram.")] = Path(
        "cd.html"
    ),
) -> None:
    """Rank the methods that several runs share, and draw which of them differ detectably."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from equipoise.report.ranks import sentences, write_ranking
    from equipoise.results.ranking import rank_runs

    ranking = rank_runs(folders, metric)
    diagram = write_ranking(ranking, out)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("method", no_wrap=True)
    table.add_column("average rank", justify="right")
    for name in ranking.sets:
        table.add_column(escape(name), justify="right", overflow="fold")
    for name, average, values in zip(ranking.methods, ranking.ranks, ranking.values, strict=True):
        cells = []
        for value, best in zip(values, ranking.best, strict=True):
            cells.append(f"[bold]{value:.3f}[/]" if value == best else f"{value:.3f}")
        table.add_row(escape(name), f"{average:.2f}", *cells)
    console = Terminal()
    console.print(table, markup=True)
    for sentence in sentences(ranking):
        console.print(sentence, soft_wrap=True, highlight=False)
    conclude(f"Diagram: {diagram}")
    answer(lambda: {**plain(ranking), "diagram": diagram, "sentences": list(sentences(ranking))})
