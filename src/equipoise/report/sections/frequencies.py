"""What the networks were shown: class shares asked for and achieved, of drawn voxels and of pixels of patches."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from equipoise.report.formatting import decimal, interval, known
from equipoise.report.run_contents import Contents
from equipoise.report.volumes import share

HEADING = "What the networks were shown"
ORDER = 30
TASKS = ("segmentation",)
COLUMNS = {"asked": "asked for", "centers": "drawn", "pixels": "all pixels"}

Stage = tuple[str, str]  # method, and its stage where it has several
Values = Mapping[str, Mapping[str, Sequence[float]]]  # class -> column -> a share for each cell


@dataclass(frozen=True)
class Shares:
    """Class shares of one stage of a method: {what was counted: (share as text, percent for its bar) by class}."""

    title: str
    method: str
    rows: Mapping[str, Sequence[tuple[str, float]]]


def view(contents: Contents) -> dict[str, Any] | None:
    """Give the shares of every method, mean over its cells; None where no cell counted any."""
    found = _read(contents)
    if not found:
        return None
    tables: dict[tuple[str, ...], list[Shares]] = defaultdict(
        list
    )  # by their classes: stages differ in them
    for (method, stage), values in found.items():
        title = f"{method}, {stage}" if stage else method
        tables[tuple(values)].append(Shares(title, method, dict(_rows(values))))
    counts = contents.description.dataset.counts
    return {
        "tables": tables,
        "true": {
            name: share(n / sum(counts))
            for name, n in zip(contents.class_names, counts, strict=True)
        },
        "taus": dict(_taus(contents)),
    }


def _read(c: Contents) -> dict[Stage, dict[str, dict[str, list[float]]]]:
    """Read the shares of all cells, in the order of the methods."""
    found: dict[Stage, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for record in c.finished():
        path = c.run.path(record.cell) / "frequencies.csv"
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for column in COLUMNS:
                    found[record.cell.method, row["stage"]][row["class"]][column].append(
                        float(row[column] or "nan")
                    )
    return found


def _rows(values: Values) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Write what was asked for and what was counted; in center mode no pixels are."""
    for column, text in COLUMNS.items():
        means = [_mean(columns[column]) for columns in values.values()]
        if any(map(known, means)):
            yield (
                text,
                [
                    (share(mean), round(100 * mean, 2)) if known(mean) else ("", 0.0)
                    for mean in means
                ],
            )


def _mean(found: Sequence[float]) -> float:
    return fmean([value for value in found if known(value)] or [float("nan")])


def _taus(c: Contents) -> Iterator[tuple[str, str]]:
    """Write tau of the methods whose prior correction did anything: its mean, smallest and largest."""
    for name in c.methods:
        taus = [record.tau for record in c.volume_records(name)]
        if any(taus):
            ends = interval(min(taus), max(taus), lambda tau: decimal(tau, 2))
            yield name, f"{decimal(fmean(taus), 2)} (cells from {ends})"
