"""What a study can find, in words, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from equipoise.experiments.comparison import FEWEST_PATIENTS
from equipoise.experiments.power import (
    ACCURACY,
    ASSUMED,
    MOST_SEEDS,
    SPREADS,
    Design,
    design_of,
    detectable,
    seeds_needed,
)
from equipoise.metrics.classification import METRICS

TARGETS = (0.02, 0.05, 0.10)  # differences that a reader may care for


@dataclass(frozen=True)
class Need:
    """What it takes to find a difference.

    Attributes:
        difference: The true difference.
        n_seeds: Seeds of every method on every split; None where no number suffices.
        text: The same in words, and why where none does.
    """

    difference: float
    n_seeds: int | None
    text: str


def outlook(asked: Mapping[str, Any]) -> str:
    """Say what a study (as in `study.json`) can find; nothing where there is nothing to compare."""
    design = design_of(asked)
    if design.n_comparisons < 1:
        return ""
    if problem := obstacle(design, asked["dataset"]["class_names"]):
        return f"Expected: no method can be told from the baseline, as {problem}."
    reached = [f"{detectable(design, name):.3f} in {METRICS[name].label}" for name in SPREADS]
    label, needed = METRICS[ACCURACY].label, seeds_in_words(needs(design, ACCURACY))
    return (
        f"Expected: a true difference of {' and of '.join(reached)} is found four times in five. "
        f"Seeds that it takes in {label}, {needed}."
    )


def needs(design: Design, metric: str) -> list[Need]:
    """Say for each of `TARGETS` how many seeds it takes on these splits."""
    return [_need(design, metric, difference) for difference in TARGETS]


def _need(design: Design, metric: str, difference: float) -> Need:
    n_seeds = seeds_needed(design, metric, difference)
    if n_seeds is not None:
        return Need(difference, n_seeds, f"{n_seeds} per split" if design.n_splits > 1 else str(n_seeds))
    alike = replace(ASSUMED[metric], seed_sd=0.0, split_sd=0.0)  # trainings that do not differ
    scarce = not detectable(replace(design, n_seeds=MOST_SEEDS), metric, alike) <= difference
    reason = "the test set is too small" if scarce else "more splits are needed"
    return Need(difference, None, f"no number suffices ({reason})")


def seeds_in_words(needed: Sequence[Need]) -> str:
    """Write needs in one line: equal ones together."""
    return "; ".join(
        f"for {' or '.join(f'{row.difference:.2f}' for row in rows)}: {text}"
        for text, rows in groupby(needed, key=lambda need: need.text)
    )


def obstacle(design: Design, class_names: Sequence[str]) -> str:
    """Say why a study cannot find anything; nothing where it can."""
    if design.fewest_patients < FEWEST_PATIENTS:
        rare = class_names[int(np.argmin(design.n_test))]
        return f"fewer than {FEWEST_PATIENTS} patients of class {rare} are tested"
    if design.n_splits == 1 and design.n_seeds == 1:
        return "a single run of each shows no difference; ask for more seeds or splits"
    return ""
