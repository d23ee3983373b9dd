"""A file of options: --config reads one, and each run has its own, so that it can be repeated."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

if TYPE_CHECKING:
    from equipoise.cli.options import RunOptions
    from equipoise.experiments.study import Study

FILE = "study.toml"
NOT_STORED = ("config", "out", "time")
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
        is_list = isinstance(value, list) and name in LISTS
        of_parameters[name] = ",".join(map(str, value)) if is_list else value
    return of_parameters


def config_text(options: "RunOptions", study: "Study") -> str:
    """Return the options that repeat a run elsewhere; those at their default are left out.

    Args:
        options: Those of its command.
        study: A study that was planned by time is repeated with what the plan chose.
    """
    chosen, note = _as_planned(options, study)
    lines = ["# Repeat this run: equipoise run --config study.toml --out OTHER", *note]
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        if field.name in NOT_STORED or value is None or value == field.default:
            continue
        option = OPTIONS.get(field.name, field.name.replace("_", "-"))
        lines.append(f"{option} = {_toml(value, is_place=field.name in ('images', 'table'))}")
    return "\n".join(lines) + "\n"


OPTIONS = {"protocol_name": "protocol"}  # fields that are named otherwise on the command line


def _as_planned(options: "RunOptions", study: "Study") -> tuple["RunOptions", list[str]]:
    """Return options that name what a plan has chosen, and lines about what they cannot name."""
    from equipoise.time_plan.plan import TimePlan

    stored = study.facts.get("plan")
    if not isinstance(stored, Mapping):
        return options, []
    plan = TimePlan.from_json(stored)
    notes = [f"# It was planned for {round(plan.seconds)} seconds; this is what the plan chose."]
    for method, n_splits in plan.split_limits.items():
        notes.append(f"# {method} had only the first {n_splits} splits; here it has all.")
    setting = plan.setting
    chosen = replace(
        options,
        methods=",".join(plan.methods),
        seeds=plan.now.n_seeds,
        splits=plan.now.n_splits,
        size=setting.size,
        regime=setting.regime,
        network=setting.network,
        pretrained=setting.pretrained,
        steps=setting.n_steps,
        gan_size=setting.gan_side,
    )
    return chosen, notes


def _toml(value: object, *, is_place: bool) -> str:
    """Return a value as TOML, whose texts and lists are written as in JSON."""
    if is_place and Path(str(value)).exists():
        value = Path(str(value)).resolve()
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
