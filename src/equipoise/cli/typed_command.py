"""The command as the user typed it: executed, and for the report with and without its names."""

import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.atomic import JsonValue
from equipoise.cli.execution import execute, exit_for_failures
from equipoise.cli.executor_options import parse_memory
from equipoise.cli.options import RunOptions
from equipoise.cli.repeating import config_text
from equipoise.names import HIDDEN, without_names
from equipoise.runs.stage_seconds import StageClock

if TYPE_CHECKING:
    from equipoise.experiments.running.protocols import Executor
    from equipoise.experiments.study import Study


def execute_typed(
    study: "Study",
    options: RunOptions,
    *,
    out: Path | None = None,
    clock: StageClock | None = None,
) -> None:
    """Execute a study with the options of its command; `out` where that is not their folder.

    Raises:
        typer.Exit: A cell failed; the exit code is 1.
    """
    results = execute(
        study,
        out or options.run_folder,
        executor_of(options),
        device=options.device,
        names=options.names,
        clock=clock,
        config=config_text(options, study),
    )
    exit_for_failures(results)


def executor_of(options: RunOptions) -> "Executor":
    """Return where the options of a command train cells."""
    from equipoise.experiments.running.executors import default_executor

    return default_executor(
        options.device,
        workers=options.workers,
        ray=options.ray,
        max_memory=parse_memory(options.max_memory),
    )


def command_facts(options: RunOptions) -> dict[str, JsonValue]:
    """Return the typed command, quoted for a shell, and the same without names."""
    typed = ["equipoise", *sys.argv[1:]]
    hidden = {Path(text) for text in places(options)}
    shared = []
    for word in typed:
        option, equals, value = word.partition("=")
        if not option.startswith("--"):
            option, equals, value = "", "", word
        names_place = Path(value) in hidden and bool(value)
        shared.append(f"{option}{equals}{HIDDEN if names_place else without_names(value)}")
    facts: dict[str, JsonValue] = {
        "command": shlex.join(typed),
        "shared_command": " ".join(map(quote, shared)),
    }
    if options.note:
        facts["n_stated_notes"] = len(options.note)
    return facts


def places(options: RunOptions) -> Iterator[str]:
    """Yield the options that name folders, files or patients."""
    yield options.images
    yield from options.note or ()
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, Path):
            yield str(value)


def quote(word: str) -> str:
    """Return a word for a shell; what is hidden needs no quotes."""
    return word if HIDDEN in word else shlex.quote(word)
