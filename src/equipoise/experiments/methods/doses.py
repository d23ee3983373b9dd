"""Arms that differ in how many synthetic images are added: `dcgan@0.5`, `dcgan+120`."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler

DOSED = "equipoise.curation.dosed.DosedOversampler"  # by name: reading a run needs none of its machinery
UNITS = {"share": "@", "per_class": "+"}  # and what stands before the dose in a name
NAME = re.compile(r"(?P<base>\w+)(?:@(?P<share>\d+(?:\.\d+)?)|\+(?P<per_class>\d+))")


def dosed(method: Method, *, share: float | None = None, per_class: int | None = None) -> Method:
    """Make the method that adds a dose of the synthetic images of another one, in every class.

    Classifier and generator are those of `method`, and arms of one workspace share the generator's fits. A dose of
    0 is not needed: the method without a resampler, "none", is that arm.

    Args:
        method: One that adds images, for example `METHODS["dcgan"]`.
        share: Synthetic images for each real one of the class (paper S4: 0.05 to 2); the name is `dcgan@0.5`.
        per_class: Synthetic images of every class (paper S4: 120, 480); the name is `dcgan+120`.

    Raises:
        SettingError: The method adds no images, or not exactly one of the doses is given.
    """
    make = method.balance
    if make is None or (share is None) == (per_class is None):
        raise SettingError(
            f"Expected a method that adds images and one of share and per_class, got {method.name} with "
            f"share={share} and per_class={per_class}. Write dosed(METHODS['dcgan'], share=0.5)."
        )

    def balance(budget: Budget) -> Resampler:
        from equipoise.curation.dosed import DosedOversampler

        return DosedOversampler(make(budget), share=share, per_class=per_class)

    ending = f"@{share:g}" if share is not None else f"+{per_class}"
    dose = f"{share:g} for each real one" if share is not None else f"{per_class} in all"
    summary = f"Every class gets synthetic images as {method.name} makes them, {dose}."
    return replace(method, name=method.name + ending, summary=summary, balance=balance)


def find_method(name: str, methods: Mapping[str, Method]) -> Method:
    """Look up a method by name, or make the dosed one that a name such as dcgan@0.5 or dcgan+120 asks for.

    Raises:
        SettingError: No such method, or one that adds no images.
    """
    asked = NAME.fullmatch(name)
    if asked is None:
        return pick(methods, name, "method")
    base = pick(methods, asked["base"], "method")
    if asked["share"] is not None:
        return dosed(base, share=float(asked["share"]))
    return dosed(base, per_class=int(asked["per_class"]))


@dataclass(frozen=True)
class Ladder:
    """Methods that differ in their dose alone: {method: dose}, increasing; 0 where one adds nothing."""

    base: str
    unit: str
    doses: Mapping[str, float]


def find_ladders(methods: Sequence[Mapping[str, Any]]) -> list[Ladder]:
    """Group the methods of `study.json` that differ in the dose alone, with the one that adds no image."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for method in methods:
        for unit, dose, rest in _dose(method):
            found[json.dumps([unit, rest], sort_keys=True)][method["name"]] = dose
    ladders = []
    for key, doses in found.items():
        unit, rest = json.loads(key)
        none = [m["name"] for m in methods if m["steps"] == rest[1:]]
        first = next(iter(doses))
        base = first.rpartition(UNITS[unit])[0] or first
        every = sorted({**dict.fromkeys(none[:1], 0.0), **doses}.items(), key=lambda item: item[1])
        if len(every) > 1:
            ladders.append(Ladder(base, unit, dict(every)))
    return ladders


def _dose(method: Mapping[str, Any]) -> Iterator[tuple[str, float, list[Any]]]:
    """Give unit, dose and all that is not the dose; nothing for a method without one."""
    first, *others = method.get("steps", [{}])
    if first.get("class") != DOSED:
        return
    settings = first["settings"]
    for unit in UNITS:
        if settings[unit] is not None:
            yield unit, float(settings[unit]), [settings["generator"], *others]
