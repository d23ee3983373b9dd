"""The commands by name: help of all needs no module of any, and each is imported when it is run."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from equipoise.cli import voice

APPEARANCE: dict[str, Any] = {
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
# Module of `equipoise.cli`, and the first line of the help, as the command itself has it.
COMMANDS = {
    "demo": (
        "run",
        "Compare methods on drawn cells, or brain tumors (needs no data; minutes on two cores).",
    ),
    "run": (
        "run",
        "Compare methods on images (a folder, table, .npz or study file) and write the report.",
    ),
    "plan": ("run", "Plan a comparison for a time, and print the plan without running it."),
    "report": ("report", "Write the tables and the report of a run again, from its stored files."),
    "list": ("list", "List all families, or the members of one, a line each."),
    "generate": (
        "generate",
        "Generate images with a generator of a run, and write them unless the audit refuses them.",
    ),
    "audit": (
        "audit",
        "May synthetic images be released? Privacy and quality, beside real images.",
    ),
    "predict": (
        "predict",
        "Score new images with the classifiers of a run, or segment new cases with its segmenters.",
    ),
    "rank": (
        "rank",
        "Rank the methods that several runs share, and draw which of them differ detectably.",
    ),
    "weights": (
        "weights",
        "Pretrained weights: list them, fetch them for a machine that goes offline, find them.",
    ),
    "cache": (
        "cache",
        "The cache of decoded images and prepared volumes: where it is, its size; clear it.",
    ),
}


class Commands(TyperGroup):
    """The group of all commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what the help and the completion of names need of a command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1], rich_markup_mode="rich")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, with all its options."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = load_command(name)
        return name, command, rest


def load_command(name: str) -> Any:
    """Import the module of a command and return the command.

    Args:
        name: One of `COMMANDS`.
    """
    app = typer.Typer(**APPEARANCE)
    import_module(f"equipoise.cli.{COMMANDS[name][0]}").add_to(app)
    command = typer.main.get_group(app).commands[name]
    command.params.extend(voice.options_of(name))
    return command
