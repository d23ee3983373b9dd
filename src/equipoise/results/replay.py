"""Which arm repeats real images as often as another arm adds synthetic ones: its fair control."""

from collections.abc import Sequence

from equipoise.atomic import JsonObject, JsonValue
from equipoise.results.ladders import DOSED, UNITS
from equipoise.results.phrases import listed
from equipoise.runs.description import MethodDescription, StudyDescription

# by name: not imported to read a run
REPLAY = "equipoise.resampling.random.ReplayOversampler"
OVERSAMPLING = "equipoise.resampling.random.RandomOversampler"
# Settings of a classifier that trains on synthetic images exactly as on real ones.
ALIKE: JsonObject = {
    "batch_sampler": "natural",
    "synthetic_weight": 1.0,
    "loss": "cross_entropy",
    "second_stage": "none",
    "pretraining": None,
}
# A setting and its value, and the ending of the catalogue's replay that changes the same.
USES: tuple[tuple[str, JsonValue, str], ...] = (
    ("batch_sampler", "synthetic_mix", "_mix"),
    ("synthetic_weight", 0.5, "_half"),
    ("second_stage", "crt", "_crt"),
)


def replays(description: StudyDescription) -> tuple[str, ...]:
    """Return the names of the methods that add copies marked as synthetic, at any dose."""
    return tuple(method.name for method in description.methods if _generator_of(method) == REPLAY)


def replay_of(name: str, description: StudyDescription) -> str | None:
    """Return the fair control of a method that adds synthetic images; None where there is none.

    It adds as many copies of real images and trains the same classifier in the same way: a replay
    of the same dose or, where training treats synthetic and real images alike, random oversampling
    with the same strategy.
    """
    method = _find(name, description)
    if _generator_of(method) is None:
        return None
    kinds = [REPLAY] if _unlike(method) else [REPLAY, OVERSAMPLING]
    for kind in kinds:
        for control in description.methods:
            if (
                _generator_of(control) == kind
                and _amount_of(control) == _amount_of(method)
                and control.steps[-1].settings == method.steps[-1].settings
            ):
                return control.name
    return None


def missing_replays(description: StudyDescription, adding: Sequence[str]) -> str | None:
    """Write which methods have no fair control and what to add; None where all have one.

    Args:
        description: The study.
        adding: Its methods that add synthetic images.
    """
    without = []
    controls: list[str] = []
    for name in adding:
        method = _find(name, description)
        if _generator_of(method) is None or replay_of(name, description) is not None:
            continue
        without.append(name)
        control = _name_of_replay(method)
        if control is not None and control not in controls:
            controls.append(control)
    if not without:
        return None
    fix = f" Add {listed(controls)} to the methods." if controls else ""
    return (
        f"No arm adds as many copies of real images as {listed(without)} "
        f"add{'s' * (len(without) == 1)} synthetic ones, so part of a gain may come from showing "
        f"a class more often, without any new image.{fix}"
    )


def _find(name: str, description: StudyDescription) -> MethodDescription:
    return next(method for method in description.methods if method.name == name)


def _generator_of(method: MethodDescription) -> JsonValue:
    """Return the class of the resampler, inside a dose that of the dosed one; None without any."""
    if len(method.steps) < 2:
        return None
    resampler = method.steps[0]
    generator = resampler.settings.get("generator") if resampler.class_name == DOSED else None
    return generator["class"] if isinstance(generator, dict) else resampler.class_name


def _amount_of(method: MethodDescription) -> tuple[str, JsonValue]:
    """Return the setting that decides how many images the method adds, and its value."""
    resampler = method.steps[0]
    if resampler.class_name == DOSED:
        for unit in UNITS:
            if resampler.settings[unit] is not None:
                return unit, resampler.settings[unit]
    return "sampling_strategy", resampler.settings.get("sampling_strategy")


def _unlike(method: MethodDescription) -> dict[str, JsonValue]:
    """Return the settings of the classifier that distinguish synthetic images from real ones."""
    settings = method.steps[-1].settings
    unlike = {}
    for key, alike in ALIKE.items():
        if settings.get(key, alike) != alike:
            unlike[key] = settings[key]
    return unlike


def _name_of_replay(method: MethodDescription) -> str | None:
    """Return the catalogue's control of a method, `replay@0.5` for `dcgan@0.5`; None if none is."""
    unlike = _unlike(method)
    endings = [ending for setting, value, ending in USES if unlike == {setting: value}]
    if unlike and not endings:
        return None
    unit, dose = _amount_of(method)
    suffix = f"{UNITS[unit]}{dose:g}" if unit in UNITS and isinstance(dose, int | float) else ""
    return f"replay{''.join(endings)}{suffix}"
