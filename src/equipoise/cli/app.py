"""The program `equipoise`: its commands are put together here, and its errors printed."""

import sys
import traceback
from typing import Annotated

import typer

import equipoise
from equipoise.cli.commands import APPEARANCE, Commands
from equipoise.cli.streams import ending_signals, lasting_streams
from equipoise.cli.voice import VOICE, conclude, own_voice
from equipoise.exceptions import EquipoiseError
from equipoise.shortages import remedy
from equipoise.training.allocator import keep_freed_memory

TRAINING = {"run", "demo", "plan"}  # commands that train cells
VARIABLES = (
    "Environment: [bold]EQUIPOISE_WEIGHTS[/] is the folder of pretrained weights; "
    "[bold]EQUIPOISE_CACHE[/] the folder of decoded images and prepared volumes, or off, and "
    "[bold]EQUIPOISE_CACHE_GB[/] the most that decoded images take there (20); [bold]NO_COLOR[/] "
    "turns colors off."
)

app = typer.Typer(
    name="equipoise",
    cls=Commands,
    help="Which way of rebalancing really helps on your medical images?",
    epilog=VARIABLES,
    no_args_is_help=True,
    **APPEARANCE,
)


def print_version(requested: bool) -> None:
    """Print the version of equipoise and end, if that is what was requested."""
    if requested:
        conclude(f"equipoise {equipoise.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
]


@app.callback()
def program(*, version: Version = False) -> None:
    """Print help and version; the commands follow."""


def main() -> None:
    """Run a command; errors that a user can fix are printed as one message, without a traceback."""
    keep_freed_memory()
    with lasting_streams(), ending_signals() as signals:
        code = run_command()
    sys.exit(128 + signals[0] if signals else code)


def run_command() -> int:
    """Run the command that was typed, and return its exit code."""
    with own_voice():
        try:
            app()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except EquipoiseError as error:
            message = str(error)
            if VOICE.verbose:
                traceback.print_exc()
        except Exception as error:
            to_do = remedy(error)
            if VOICE.verbose or (not to_do and not isinstance(error, OSError)):
                raise
            message = f"{reason(error)}. {what_is_kept()} {to_do}"
    print_error(message.strip())
    return 2


def what_is_kept() -> str:
    """Return what an error of the machine leaves of the command that was typed."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if command not in TRAINING:
        return "Nothing was trained by this command, and stored runs are as they were."
    return "Finished cells are kept; the same command continues."


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
        Terminal(stderr=True, quiet=False).print(text, soft_wrap=True, highlight=False, markup=True)
    except (MemoryError, OSError, ImportError):  # not even for what Rich imports and reads
        sys.stderr.write(f"Error: {message}\n")
