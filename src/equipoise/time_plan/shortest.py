"""Errors about a time that is too short: what the shortest useful one is, by stage."""

import math
from collections.abc import Mapping

from equipoise.exceptions import SettingError
from equipoise.experiments.running.progress import duration
from equipoise.results.phrases import plural
from equipoise.time_plan.choosing import FEWEST, FEWEST_METHODS, USED, Options
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.setting import SIDES
from equipoise.time_plan.survey import Survey

# Before anything was trained: seconds of a frozen head, steps of the shortest training, seconds in
# which workers start, and those of tables, evidence and report.
GUESSED_HEAD, GUESSED_STEPS, GUESSED_START, GUESSED_END = 3.0, 150, 5.0, 25.0
DEAR = 3.0  # times the seconds of the baseline: a method that is worth leaving out
READING_OF_IMAGE = 0.002  # seconds


def refuse_too_short(
    seconds: float, setting: TrainingSetting, survey: Survey, *, elapsed: float, n_workers: int
) -> None:
    """Raise if not even two methods on two splits fit a time, before any image is read.

    Args:
        seconds: The time.
        setting: Its size is the smallest that was affordable.
        survey: The images.
        elapsed: Seconds since the start.
        n_workers: Cells trained at once.

    Raises:
        SettingError: They do not; names the shortest useful time, by stage.
    """
    stages = {"start and reading": elapsed + READING_OF_IMAGE * survey.n_images}
    if setting.frozen:
        stages["features"] = setting.unit_seconds * survey.n_images
    _refuse(stages, seconds, setting, survey.n_images, n_workers)


def refuse_used_up(
    seconds: float, setting: TrainingSetting, *, elapsed: float, n_images: int, n_workers: int
) -> None:
    """Raise the same once images are read and features computed, before any cell is trained.

    Raises:
        SettingError: Two methods on two splits no longer fit the time.
    """
    stages = {"start, reading and features": elapsed}
    _refuse(stages, seconds, setting, n_images, n_workers)


def _refuse(
    stages: Mapping[str, float],
    seconds: float,
    setting: TrainingSetting,
    n_images: int,
    n_workers: int,
) -> None:
    """Add the seconds of the fewest cells and of the end to stages; raise if they do not fit."""
    n_steps = setting.n_steps or GUESSED_STEPS
    cell = GUESSED_HEAD if setting.frozen else setting.unit_seconds * n_steps
    training = GUESSED_START + FEWEST * FEWEST_METHODS * cell / n_workers
    stages = {**stages, "training": training, "tables, evidence and report": GUESSED_END}
    stages = with_reserve(stages)
    shortest = sum(stages.values())
    if shortest > seconds:
        smaller = [side for side in SIDES if side < setting.size]
        remedy = f", or --size {smaller[-1]}" if smaller else ""
        raise SettingError(
            f"Expected a --time of at least {duration(shortest)} for any answer on these "
            f"{n_images:,} images at {setting.size} px, got {duration(seconds)}. "
            f"{in_words(stages)} Give --time {suggested(shortest)}{remedy}."
        )


def unaffordable(costs: StudyCosts, options: Options, seconds: float) -> SettingError:
    """Return the error for methods or splits that do not fit a time, with the time they need."""
    methods = options.methods[:FEWEST_METHODS] if options.droppable else options.methods
    n_units = options.fixed_units or min(FEWEST, options.most)
    n_splits, n_seeds = options.splits_and_seeds(n_units)
    stages = costs.stages(methods, n_splits, n_seeds)
    stages = with_reserve(stages)
    needed = sum(stages.values())
    remedy, dearest = "", max(methods[1:], key=lambda name: costs.cells[name], default="")
    if dearest and costs.cells[dearest] > DEAR * costs.cells[methods[0]]:
        remedy = f", or leave out {dearest}, which takes {duration(costs.cells[dearest])} a cell"
    return SettingError(
        f"Expected a --time of at least {duration(needed)} for {', '.join(methods)} on "
        f"{plural(n_splits, 'split')} with {plural(n_seeds, 'seed')}, got {duration(seconds)}. "
        f"{in_words(stages)} Give --time {suggested(needed)}{remedy}; cells that are finished stay "
        "and are used then."
    )


def with_reserve(stages: Mapping[str, float]) -> dict[str, float]:
    """Add what a plan sets aside, because measurements may be wrong, to the seconds by stage."""
    needed = sum(stages.values())
    return {**stages, "reserve": needed / USED - needed}


def in_words(stages: Mapping[str, float]) -> str:
    """Return a sentence that lists seconds by stage."""
    parts = [f"{name} {duration(seconds)}" for name, seconds in stages.items() if seconds >= 0.5]
    return f"By stage: {', '.join(parts)}."


def suggested(seconds: float) -> str:
    """Return a duration of at least `seconds` as an argument of --time.

    Example:
        >>> suggested(100), suggested(4000)
        ('2m', '70m')
    """
    minutes = math.ceil(seconds / 60)
    step = 1 if minutes < 20 else 10
    return f"{step * math.ceil(minutes / step)}m"
