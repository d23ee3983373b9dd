"""The tables of a study of volumes: classes by voxels, metrics by region, Dice by patient."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from equipoise.experiments.region_metrics import DICE, by_size, name_of
from equipoise.metrics.base import Metric
from equipoise.metrics.segmentation import SEGMENTATION_METRICS, RegionMetric
from equipoise.report.figures import OKABE_ITO, Axis
from equipoise.report.formatting import known, sentence_case
from equipoise.report.run_contents import Contents
from equipoise.report.tables import Score, headline, scores
from equipoise.runs.volume_run import VolumeRun

UNIT_AXIS = Axis((0.0, 1.0), 0, 100)  # of Dice, in percent of the width


@dataclass(frozen=True)
class VoxelCount:
    """A class in the table of voxels; cases and patients are those tested so far, as "4 of 6"."""

    name: str
    rare: bool
    count: str
    share: str
    bar: float
    color: str
    cases: str
    patients: str


@dataclass(frozen=True)
class ScoreTable:
    """A table of methods and metrics."""

    title: str
    note: str
    metrics: Sequence[Metric]
    rows: Mapping[str, Sequence[Score]]


@dataclass(frozen=True)
class Strip:
    """One metric in every patient: {method: {patient: mean over seeds}}."""

    title: str
    rows: Mapping[str, Mapping[int, float]]

    axis = UNIT_AXIS

    @property
    def patients(self) -> list[int]:
        """All patients, in the order of their numbers."""
        return sorted({patient for found in self.rows.values() for patient in found})


def share(part: float) -> str:
    """Write a share of voxels, the small ones with two digits that say something."""
    percent = 100 * part
    return (
        f"{percent:.1f}" if percent >= 1 or not percent else f"{percent:.2g}"
    ) + "\N{NO-BREAK SPACE}%"


def class_counts(c: Contents, stored: VolumeRun) -> list[VoxelCount]:
    """Count the voxels of each class, and the cases and patients that have any."""
    counts = c.description.dataset.counts
    where = _where(stored)
    return [
        VoxelCount(
            name=name,
            rare=(rare := k == c.results.rare_class),
            count=f"{n:,}",
            share=share(n / sum(counts)),
            bar=round(100 * n / sum(counts), 2),
            color=OKABE_ITO[1] if rare else OKABE_ITO[0],
            cases=_of(where, name if k else None, 0),
            patients=_of(where, name if k else None, 1),
        )
        for k, (name, n) in enumerate(zip(c.class_names, counts, strict=True))
    ]


def _where(stored: VolumeRun) -> dict[tuple[str, int], set[str]]:
    """Give for each tested case and its patient the regions and classes that the truth has."""
    found: dict[tuple[str, int], set[str]] = {}
    for one in stored.finished:
        measures = one.measures
        for i, key in enumerate(
            zip(measures.ids.tolist(), measures.patients.tolist(), strict=True)
        ):
            found[key] = {
                name for name, m in measures.regions.items() if m["tp"][i] + m["fn"][i] > 0
            }
    return found


def _of(where: Mapping[tuple[str, int], set[str]], name: str | None, place: int) -> str:
    """Write how many cases (place 0) or patients (1) have a class; every one has healthy tissue (None)."""
    having = {
        key[place] for key, present in where.items() if name is None or f"class {name}" in present
    }
    return f"{len(having)} of {len({key[place] for key in where})}"


def regions(c: Contents) -> dict[str, str]:
    """Say of which classes each region is made."""
    found = c.description.volumes.regions
    return {name: " + ".join(c.class_names[k] for k in found[name]) for name in by_size(found)}


def main_table(c: Contents) -> ScoreTable:
    """Lay out the metrics that a reader sees first."""
    metrics = headline(c)
    return ScoreTable("Dice by region", "", metrics, scores(c, metrics))


def further_tables(c: Contents, stored: VolumeRun) -> list[ScoreTable]:
    """Lay out every other metric by region."""
    names = by_size(c.description.volumes.regions)
    return [
        _by_part(metric, names, c, stored)
        for metric in SEGMENTATION_METRICS.values()
        if metric.name != DICE
    ]


def class_table(c: Contents, stored: VolumeRun) -> ScoreTable | None:
    """Lay out the Dice of each class; None where every class is a region."""
    names = [
        f"class {name}" for name in c.class_names[1:] if name not in c.description.volumes.regions
    ]
    table = _by_part(SEGMENTATION_METRICS[DICE], names, c, stored)
    return replace(table, title="Dice by class") if names else None


def _by_part(
    metric: RegionMetric, parts: Sequence[str], c: Contents, stored: VolumeRun
) -> ScoreTable:
    metrics = [c.results.metrics[name_of(metric.name, part)] for part in parts]
    found = scores(c, metrics)
    rows = {
        method: [
            replace(s, note=_left_out(metric, p, method, stored))
            for s, p in zip(row, parts, strict=True)
        ]
        for method, row in found.items()
    }
    named = [
        replace(m, label=part.removeprefix("class "))
        for m, part in zip(metrics, parts, strict=True)
    ]
    return ScoreTable(sentence_case(metric.label), f"{sentence_case(metric.summary)}.", named, rows)


def _left_out(metric: RegionMetric, part: str, method: str, stored: VolumeRun) -> str:
    """Say how many of a method's label maps have no such number; the mean is over the others."""
    found = list(stored.seeds(method).values())
    n = sum(metric.left_out(measures.regions[part]) for measures in found)
    return f"{n} of {sum(len(measures.ids) for measures in found)} left out" if n else ""


def patients(c: Contents) -> list[Strip]:
    """Give the Dice of each patient, mean over seeds, from `patients.csv`; nothing where it was not written."""
    path = c.folder / "patients.csv"
    if not path.is_file():
        return []
    values: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if known(value := float(row["value"] or "nan")):
                values[row["metric"], row["method"], int(row["patient"])].append(value)
    names = dict.fromkeys(metric for metric, _, _ in values)
    return [
        Strip(sentence_case(c.results.metrics[name].label), _rows(name, c, values))
        for name in names
    ]


def _rows(
    name: str, c: Contents, values: Mapping[tuple[str, str, int], Sequence[float]]
) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {method: {} for method in c.methods}
    for (metric, method, patient), seen in values.items():
        if metric == name:
            found[method][patient] = fmean(seen)
    return {method: row for method, row in found.items() if row}
