"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.execution import exit_for_failures, write_and_show, write_tables

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run, finished or not.")]
Names = Annotated[
    bool,
    typer.Option(
        "--names",
        help="Show names of files and patients, folders and errors in full in report.html, which "
        "hides them otherwise.",
        rich_help_panel="Output",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: [bold]equipoise report runs/films[/]")(report)


def report(folder: Folder, *, names: Names = False) -> None:
    """Write the tables and the report of a run again, from its stored files.

    report.html names no file or patient, so that it can be handed over; the tables beside it do.
    """
    run, results = write_tables(folder)
    write_and_show(run, results, names=names, of_input=True)
    exit_for_failures(results)
