"""How much a command says: -q, -v, and --json, whose answer is alone on standard output."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import Annotated, Any, TextIO

import typer

from equipoise.names import printable

PANEL = "Output"
SAYING = ("run", "demo", "plan", "report", "generate", "audit", "predict", "rank")  # -q
ANSWERING = ("run", "demo", "report", "audit", "predict", "rank", "list")  # --json


@dataclass
class Voice:
    """What was requested of the command that runs.

    Attributes:
        quiet: Only errors, and where the result is.
        verbose: Errors with the lines of the program that led to them.
        answer: Where the JSON goes; None without --json.
    """

    quiet: bool = False
    verbose: bool = False
    answer: TextIO | None = None


VOICE = Voice()


@contextmanager
def own_voice() -> Iterator[None]:
    """Restore the usual voice and standard output at the end."""
    stdout = sys.stdout
    try:
        yield
    finally:
        sys.stdout = stdout
        VOICE.quiet, VOICE.verbose, VOICE.answer = False, False, None


def _be_quiet(value: bool) -> None:
    VOICE.quiet = value


def _be_verbose(value: bool) -> None:
    VOICE.verbose = value


def _answer_in_json(value: bool) -> None:
    if value:
        VOICE.answer, sys.stdout = sys.stdout, sys.stderr


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print only errors, and where the result is.",
        callback=_be_quiet,
        is_eager=True,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the answer as JSON on standard output, and all else on standard error.",
        callback=_answer_in_json,
        is_eager=True,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Print errors with the lines of the program that led to them.",
        callback=_be_verbose,
        is_eager=True,
        expose_value=False,
        rich_help_panel=PANEL,
    ),
]


def options_of(command: str) -> list[Any]:
    """Return the options of a command that set its voice, in the form that Typer gives options."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def all_options(*, quiet: Quiet = False, json: Json = False, verbose: Verbose = False) -> None:
        """Have every option."""

    options = {option.name: option for option in typer.main.get_command(app).params}
    names = ["quiet"] * (command in SAYING) + ["json"] * (command in ANSWERING) + ["verbose"]
    return [options[name] for name in names]


def say(line: object) -> None:
    """Print a line as it is, without markup or wrapping, for people and scripts."""
    if not VOICE.quiet:
        conclude(line)


def conclude(line: object) -> None:
    """Print a line that says where the result is, also with -q."""
    print(printable(str(line)))  # noqa: T201


def answer(content: Callable[[], Any]) -> None:
    """Print the answer of a command, where JSON was requested.

    Args:
        content: Returns it; see `plain`.
    """
    if VOICE.answer is not None:
        text = json.dumps(plain(content()), indent=2, ensure_ascii=False)
        print(text, file=VOICE.answer)


def plain(value: Any) -> Any:
    """Return what JSON can express: records become objects, numbers that are not defined null.

    Example:
        >>> plain({"auroc": float("nan"), "path": PurePath("runs/films"), "seeds": (0, 1)})
        {'auroc': None, 'path': 'runs/films', 'seeds': [0, 1]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # of NumPy, which is not imported for this
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, PurePath) else value
