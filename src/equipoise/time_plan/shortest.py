"""Errors about a time that is too short: what the shortest useful one is, by stage."""

import math
from collections.abc import Mapping

from equipoise.exceptions import SettingError
from equipoise.experiments.running.progress import duration
from equipoise.time_plan.choosing import FEWEST, FEWEST_METHODS, USED, Options
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.survey import Survey

# Before anything was trained: seconds of a frozen head, steps of the shortest training, seconds in
# which workers start, and those of tables, evidence and report.
GUESSED_HEAD, GUESSED_STEPS, GUESSED_START, GUESSED_END = 2.0, 150, 5.0, 20.0
READING_OF_IMAGE = 0.002  # seconds


def refuse_too_short(
    seconds: float,
    setting: TrainingSetting,
    survey: Survey,
    *,
    unit_seconds: float,
    elapsed: float,
    n_workers: int,
) -> None:
    """Raise if not even two methods on two splits fit a time.

    Args:
        seconds: The time.
        setting: Its size is the smallest that was affordable.
        survey: The images.
        unit_seconds: Seconds of an image's features, or of an optimizer step.
        elapsed: Seconds since the start.
        n_workers: Cells trained at once.

    Raises:
        SettingError: They do not; names the shortest useful time, by stage.
    """
    n_cells = FEWEST * FEWEST_METHODS
    cell = GUESSED_HEAD if setting.frozen else unit_seconds * (setting.n_steps or GUESSED_STEPS)
    stages = {
        "start and reading": elapsed + READING_OF_IMAGE * survey.n_images,
        "features": unit_seconds * survey.n_images if setting.frozen else 0.0,
        "training": GUESSED_START + n_cells * cell / n_workers,
        "tables, evidence and report": GUESSED_END,
    }
    shortest = sum(stages.values()) / USED
    if shortest > seconds:
        raise SettingError(
            f"Expected a --time of at least {duration(shortest)} for any answer on these "
            f"{survey.n_images:,} images at {setting.size} px, got {duration(seconds)}. "
            f"{in_words(stages)} Give --time {suggested(shortest)}."
        )


def unaffordable(costs: StudyCosts, options: Options, seconds: float) -> SettingError:
    """Return the error for methods or splits that do not fit a time, with the time they need."""
    methods = options.methods[:FEWEST_METHODS] if options.droppable else options.methods
    n_units = options.fixed_units or min(FEWEST, options.most)
    stages = costs.stages(methods, *options.splits_and_seeds(n_units))
    needed = sum(stages.values()) / USED
    dearest = max(methods, key=lambda name: costs.cells[name])
    n_splits, n_seeds = options.splits_and_seeds(n_units)
    return SettingError(
        f"Expected a --time of at least {duration(needed)} for {', '.join(methods)} on {n_splits} "
        f"splits with {n_seeds} seeds, got {duration(seconds)}. The dearest is {dearest}: "
        f"{duration(costs.cells[dearest])} a cell. {in_words(stages)} Give --time "
        f"{suggested(needed)}, fewer --splits, or --methods without {dearest}."
    )


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
