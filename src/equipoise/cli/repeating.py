"""The options that repeat a run, in the file that each run has: `equipoise run --config`."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.cli.options import RunOptions

if TYPE_CHECKING:
    from equipoise.experiments.study import Study

NOT_STORED = ("config", "out", "time")
OPTIONS = {"protocol_name": "protocol"}  # fields that are named otherwise on the command line


def config_text(options: RunOptions, study: "Study") -> str:
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


def _as_planned(options: RunOptions, study: "Study") -> tuple[RunOptions, list[str]]:
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
