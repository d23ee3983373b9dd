"""The threshold of each method that is best on its own validation images: `thresholds.csv`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import ImageRun


@dataclass(frozen=True, kw_only=True)
class ThresholdRow:
    """How one cell decides for one class; see `equipoise.metrics.decisions.Decision`.

    Attributes:
        threshold: Of the positive class of two, the probability from which it is called; NaN
            otherwise.
        offset: Added to the log probability of the class before the largest is called.
    """

    method: str
    split: str
    seed: int
    class_name: str
    threshold: float
    offset: float


def threshold_rows(run: ImageRun) -> Iterator[ThresholdRow]:
    """Yield the rows of every finished cell that has a decision."""
    for cell, decision in run.decisions.items():
        if decision is None:
            continue
        for label, class_name in enumerate(run.class_names):
            yield ThresholdRow(
                method=cell.method,
                split=cell.split,
                seed=cell.seed,
                class_name=class_name,
                threshold=decision.threshold if label == decision.positive else math.nan,
                offset=float(decision.offsets[label]),
            )


def write_thresholds(rows: Sequence[ThresholdRow], folder: Path) -> None:
    """Write `thresholds.csv`; nothing where there are no rows."""
    if rows:
        write_rows(folder / "thresholds.csv", ThresholdRow, rows)
