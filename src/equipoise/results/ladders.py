"""Methods of a run that differ in their dose of synthetic images alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise.runs.description import MethodDescription

DOSED = "equipoise.curation.dosed.DosedOversampler"  # by name: not imported to read a run
UNITS = {"share": "@", "per_class": "+"}  # unit -> what stands before the dose in a name


@dataclass(frozen=True)
class Ladder:
    """Methods that differ in their dose alone.

    Attributes:
        base: Name of the method without a dose.
        unit: "share" or "per_class".
        doses: {method: dose}, increasing; 0 for a method that adds nothing.
    """

    base: str
    unit: str
    doses: Mapping[str, float]


def find_ladders(methods: Sequence[MethodDescription]) -> list[Ladder]:
    """Group the methods that differ in the dose alone, with the one that adds no image."""
    doses_by_rest: dict[str, dict[str, float]] = {}  # all but the dose, as JSON -> {method: dose}
    for method in methods:
        if not method.steps or method.steps[0].class_name != DOSED:
            continue
        settings = method.steps[0].settings
        classifier = [step.to_json() for step in method.steps[1:]]
        for unit in UNITS:
            dose = settings[unit]
            if isinstance(dose, int | float):
                rest = json.dumps([unit, settings["generator"], classifier], sort_keys=True)
                doses_by_rest.setdefault(rest, {})[method.name] = float(dose)
    ladders = []
    for rest, dosed_methods in doses_by_rest.items():
        unit, _, classifier = json.loads(rest)
        first_name = next(iter(dosed_methods))
        base = first_name.rpartition(UNITS[unit])[0] or first_name
        undosed = []
        for method in methods:
            if [step.to_json() for step in method.steps] == classifier:
                undosed.append(method.name)
        doses = {**dict.fromkeys(undosed[:1], 0.0), **dosed_methods}
        if len(doses) > 1:
            increasing = sorted(doses, key=lambda name: doses[name])
            ladders.append(Ladder(base, unit, {name: doses[name] for name in increasing}))
    return ladders
