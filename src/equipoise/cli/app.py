"""The program `equipoise`: its commands are put together here, and its errors printed."""

import sys

import typer

from equipoise.cli import audit, generate, predict, rank, report, run, weights
from equipoise.cli import list as list_command
from equipoise.exceptions import EquipoiseError
from equipoise.training.allocator import keep_freed_memory

app = typer.Typer(
    name="equipoise",
    help="Which way of rebalancing really helps on your medical images?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, report, list_command, generate, audit, predict, rank, weights):
    command.add_to(app)


def main() -> None:
    """Run a command; errors that a user can fix are printed as one message, without a traceback."""
    keep_freed_memory()
    try:
        app()
    except EquipoiseError as error:
        message = str(error)
    except OSError as error:
        if error.filename is None:
            raise
        reason = error.strerror or type(error).__name__
        message = f"{reason}: {error.filename}. Finished cells are kept."
    print_error(message)
    sys.exit(2)


def print_error(message: str) -> None:
    """Print a message to standard error, with "Error:" in red before it."""
    from rich.console import Console
    from rich.markup import escape

    text = f"[bold red]Error:[/] {escape(message)}"
    Console(stderr=True).print(text, soft_wrap=True, highlight=False)
