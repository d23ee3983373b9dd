"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.execution import conclude

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run, finished or not.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: [bold]equipoise report runs/films[/]")(report)


def report(folder: Folder) -> None:
    """Write the tables and the report of a run again, from its stored files."""
    conclude(folder)
