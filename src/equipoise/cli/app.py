"""The program `equipoise`: its commands are put together here, and its errors printed."""

import sys
from typing import Annotated

import typer

import equipoise
from equipoise.cli import audit, cache, generate, predict, rank, report, run, weights
from equipoise.cli import list as list_command
from equipoise.cli.streams import ending_signals, lasting_streams
from equipoise.cli.terminal import say
from equipoise.exceptions import EquipoiseError
from equipoise.shortages import remedy
from equipoise.training.allocator import keep_freed_memory

app = typer.Typer(
    name="equipoise",
    help="Which way of rebalancing really helps on your medical images?",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(requested: bool) -> None:
    """Print the version of equipoise and end, if that is what was requested."""
    if requested:
        say(f"equipoise {equipoise.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
]


@app.callback()
def program(*, version: Version = False) -> None:
    """Print help and version; the commands follow."""


for command in (run, report, list_command, generate, audit, predict, rank, weights, cache):
    command.add_to(app)


def main() -> None:
    """Run a command; errors that a user can fix are printed as one message, without a traceback."""
    keep_freed_memory()
    with lasting_streams(), ending_signals() as signals:
        code = run_command()
    sys.exit(128 + signals[0] if signals else code)


def run_command() -> int:
    """Run the command that was typed, and return its exit code."""
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except EquipoiseError as error:
        message = str(error)
    except Exception as error:
        to_do = remedy(error)
        if not to_do and not isinstance(error, OSError):
            raise
        message = f"{reason(error)}. Finished cells are kept; the same command continues. {to_do}"
    print_error(message.strip())
    return 2


def reason(error: Exception) -> str:
    """Return what an error of the machine says, and about which file, in one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename is not None:
            text += f": {error.filename}"
    nameless = "Not enough memory" if isinstance(error, MemoryError) else type(error).__name__
    return text.strip().partition("\n")[0].rstrip(".") or nameless


def print_error(message: str) -> None:
    """Print a message to standard error, with "Error:" in red before it."""
    try:
        from rich.markup import escape

        from equipoise.cli.terminal import Terminal

        text = f"[bold red]Error:[/] {escape(message)}"
        Terminal(stderr=True).print(text, soft_wrap=True, highlight=False, markup=True)
    except (MemoryError, OSError, ImportError):  # not even for what Rich imports and reads
        sys.stderr.write(f"Error: {message}\n")
