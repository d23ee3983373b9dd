"""A file of options: --config reads one; typed options override it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

FILE = "study.toml"
LISTS = ("methods", "modalities")  # that commas separate on the command line


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Let the options of a file stand for those that are not typed.

    Raises:
        SettingError: There is no such file, it is no TOML, or names what is no option.
    """
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"Cannot read {path} (--config): {error}. Check the path.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(
            f"{path} (--config) is no TOML: {error}. Write a line for each option, such as: "
            'methods = "none,class_weights"'
        ) from error
    context.default_map = {**(context.default_map or {}), **_by_parameter(context, values, path)}
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        help="File of options, a line each: steps = 500. Those that are typed override it. Each "
        f"run writes its own: {FILE}.",
        callback=read_config,
        is_eager=True,
        rich_help_panel="Comparison",
        show_default=False,
    ),
]


def _by_parameter(context: typer.Context, values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the values by the names of the parameters of a command.

    Raises:
        SettingError: A name that is no option.
    """
    parameters: dict[str, str] = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        for option in parameter.opts:
            if not option.startswith("-") or option.startswith("--"):
                parameters[option.lstrip("-")] = name
    parameters.pop("config", None)
    of_parameters = {}
    for typed, value in values.items():
        option = typed.replace("_", "-")
        if option not in parameters:
            raise SettingError(f"{path}: {unknown(option, parameters, 'option')}")
        if isinstance(value, dict):
            raise SettingError(f"Expected a value for {typed} in {path}, got a table.")
        name = parameters[option]
        is_switch = any(
            p.name == name and getattr(p, "is_flag", False) for p in context.command.params
        )
        if isinstance(value, bool) and not is_switch:
            raise SettingError(
                f"Expected a number or text for {typed} in {path}, got {str(value).lower()}."
            )
        is_list = isinstance(value, list) and name in LISTS
        of_parameters[name] = ",".join(map(str, value)) if is_list else value
    return of_parameters
