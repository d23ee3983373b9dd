"""What a study could find: foretold before it began, and reached."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.experiments.outlook import needs, obstacle
from equipoise.experiments.power import ACCURACY, SPREADS, design_of, detectable
from equipoise.metrics.classification import METRICS
from equipoise.report.contents import Contents
from equipoise.report.wording import decimal, interval, known


@dataclass(frozen=True)
class Reach:
    """One metric: the difference foretold, those reached (smallest to largest over methods), and seeds needed."""

    label: str
    foretold: str
    reached: str
    needs: Sequence[str]


def reaches(c: Contents) -> list[Reach]:
    """Give what could be found in each metric that can be foretold."""
    return [_reach(metric, c) for metric in SPREADS]


def foretold(c: Contents) -> str:
    """Say what was to be expected before anything was trained, and what came of it."""
    if problem := obstacle(design_of(c.study), c.class_names):
        return f"Before anything was trained it was clear that no method can be told from the baseline: {problem}."
    expected, reached = decimal(detectable(design_of(c.study), ACCURACY)), _reached(ACCURACY, c)
    first = (
        f"Before anything was trained, a true difference of {expected} in {METRICS[ACCURACY].label} was expected "
        "to be found four times in five."
    )
    return f"{first} As the runs came out, it is {reached}." if reached else first


def _reach(metric: str, c: Contents) -> Reach:
    design = design_of(c.study)
    return Reach(
        label=METRICS[metric].label,
        foretold=decimal(detectable(design, metric)),
        reached=_reached(metric, c),
        needs=[need.text for need in needs(design, metric)],
    )


def _reached(metric: str, c: Contents) -> str:
    """Write the smallest and the largest difference that was detectable; nothing where none is known."""
    found = [row.detectable for row in c.results.comparisons if row.metric == metric and known(row.detectable)]
    low, high = min(found, default=math.nan), max(found, default=math.nan)
    return decimal(low) if found and decimal(low) == decimal(high) else interval(low, high)
