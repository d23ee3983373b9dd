"""The command `list`: the families of methods, losses, readers, ..., and the members of each."""

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import equipoise
from equipoise.cli.placeholders import without_heavy_libraries
from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import VOICE, answer
from equipoise.discovery import Family, pick

PACKAGE = Path(equipoise.__file__).parent
NAME = "FAMILY"
DEVICES = "devices"  # listed like a family, but torch finds them on this machine

FamilyName = Annotated[
    str | None,
    typer.Argument(
        metavar="[FAMILY]",
        help="One of those that `equipoise list` alone prints, for example methods.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class FamilyEntry:
    """Where a family is defined, and its summary, as the source says."""

    module: str
    summary: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="list", epilog="Example: [bold]equipoise list methods[/]")(list_family)


def list_family(family: FamilyName = None) -> None:
    """List all families, or the members of one, a line each."""
    of_machine = FamilyEntry("equipoise.training.devices", "Where this machine trains: --device.")
    families = dict(sorted({**find_families(), DEVICES: of_machine}.items()))
    if family is None:
        show_lines({name: entry.summary for name, entry in families.items()})
        return
    entry = pick(families, family, "family")
    if family == DEVICES:
        from equipoise.training.devices import available_devices

        show_lines(available_devices())
        return
    with without_heavy_libraries():
        definition: Family[object] = importlib.import_module(entry.module).FAMILY
        lines = definition.lines()
    show_lines(lines)


def find_families() -> dict[str, FamilyEntry]:
    """Return all families by name; read from the source, because importing it takes seconds."""
    families: dict[str, FamilyEntry] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if f"\n{NAME} = " not in text:
            continue
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        name, summary = read_definition(text)
        families[name] = FamilyEntry(module, summary)
    return dict(sorted(families.items()))


def read_definition(source: str) -> tuple[str, str]:
    """Return the name and summary that `FAMILY = Family(name=..., summary=..., ...)` gives."""
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="FAMILY")], value=ast.Call(keywords=keywords)):
                literals = {
                    word.arg: word.value.value
                    for word in keywords
                    if isinstance(word.value, ast.Constant)
                }
                return str(literals["name"]), str(literals["summary"])
    raise ValueError(f"Expected {NAME} = Family(name=..., summary=...), found none.")


def show_lines(lines: Mapping[str, str]) -> None:
    """Print names in bold, and the line about each."""
    if VOICE.answer is not None:
        answer(lambda: lines)
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, line in lines.items():
        table.add_row(name, line)
    Terminal().print(table)
