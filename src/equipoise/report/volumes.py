"""The tables of a study of volumes: classes by voxels, metrics by region, Dice by patient."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from equipoise.csv_cells import read_lines
from equipoise.experiments.region_metrics import DICE, by_size, name_of
from equipoise.metrics.base import Metric
from equipoise.metrics.segmentation import SEGMENTATION_METRICS, RegionMetric
from equipoise.report.figures import OKABE_ITO, Axis
from equipoise.report.formatting import in_units, known, sentence_case
from equipoise.report.run_contents import Contents
from equipoise.report.tables import Score, headline, scores
from equipoise.runs.volume_run import VolumeRun

UNIT_AXIS = Axis((0.0, 1.0), 0, 100)  # of Dice, in percent of the width


@dataclass(frozen=True)
class VoxelCount:
    """A class in the table of voxels; cases and patients count those tested so far, "4 of 6"."""

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
    """One metric in every patient, {method: {patient: mean over seeds}}."""

    title: str
    rows: Mapping[str, Mapping[int, float]]

    axis = UNIT_AXIS

    @property
    def patients(self) -> list[int]:
        """All patients, in the order of their numbers."""
        patients: set[int] = set()
        for values in self.rows.values():
            patients.update(values)
        return sorted(patients)


def share(part: float) -> str:
    """Return a share of voxels in percent; shares below 1 % get two significant digits."""
    percent = 100 * part
    digits = f"{percent:.1f}" if percent >= 1 or not percent else f"{percent:.2g}"
    return f"{digits}\N{NO-BREAK SPACE}%"


def class_counts(c: Contents, stored: VolumeRun) -> list[VoxelCount]:
    """Count the voxels of each class, and the cases and patients that have any."""
    counts = c.description.dataset.counts
    total = sum(counts)
    present = parts_present(stored)
    rows = []
    for label, (name, n_voxels) in enumerate(zip(c.class_names, counts, strict=True)):
        rare = label == c.results.rare_class
        cases: set[str] = set()
        patients: set[str] = set()
        for (case, patient), parts in present.items():
            if label == 0 or f"class {name}" in parts:  # every case has healthy tissue
                cases.add(case)
                patients.add(patient)
        row = VoxelCount(
            name=name,
            rare=rare,
            count=f"{n_voxels:,}",
            share=share(n_voxels / total),
            bar=round(100 * n_voxels / total, 2),
            color=OKABE_ITO[1] if rare else OKABE_ITO[0],
            cases=f"{len(cases)} of {len({case for case, _ in present})}",
            patients=f"{len(patients)} of {len({patient for _, patient in present})}",
        )
        rows.append(row)
    return rows


def parts_present(stored: VolumeRun) -> dict[tuple[str, str], set[str]]:
    """Return the regions and classes in the truth of each tested case, by case and patient."""
    present: dict[tuple[str, str], set[str]] = {}
    for finished in stored.finished:
        measures = finished.measures
        for i, case in enumerate(measures.ids.tolist()):
            parts = set()
            for name, counts in measures.regions.items():
                if counts["tp"][i] + counts["fn"][i] > 0:
                    parts.add(name)
            present[case, measures.patients[i]] = parts
    return present


def regions(c: Contents) -> dict[str, str]:
    """Return the classes that each region is made of, the largest region first."""
    label_sets = c.description.volumes.regions
    texts = {}
    for name in by_size(label_sets):
        texts[name] = " + ".join(c.class_names[label] for label in label_sets[name])
    return texts


def main_table(c: Contents) -> ScoreTable:
    """Return the table of the headline metrics."""
    metrics = headline(c)
    return ScoreTable("Dice by region", "", metrics, scores(c, metrics))


def further_tables(c: Contents, stored: VolumeRun) -> list[ScoreTable]:
    """Return a table of each further metric by region."""
    names = by_size(c.description.volumes.regions)
    return [
        part_table(metric, names, c, stored)
        for metric in SEGMENTATION_METRICS.values()
        if metric.name != DICE
    ]


def class_table(c: Contents, stored: VolumeRun) -> ScoreTable | None:
    """Return the table of Dice by class; None where every class is a region."""
    names = [
        f"class {name}" for name in c.class_names[1:] if name not in c.description.volumes.regions
    ]
    table = part_table(SEGMENTATION_METRICS[DICE], names, c, stored)
    return replace(table, title="Dice by class") if names else None


def part_table(
    metric: RegionMetric, parts: Sequence[str], c: Contents, stored: VolumeRun
) -> ScoreTable:
    """Return the table of one metric with a column for each region or class."""
    metrics = [c.results.metrics[name_of(metric.name, part)] for part in parts]
    rows: dict[str, list[Score]] = {}
    for method, row in scores(c, metrics).items():
        rows[method] = []
        for score, part in zip(row, parts, strict=True):
            note = left_out_note(metric, part, method, stored)
            rows[method].append(replace(score, note=note))
    columns = []
    for column, part in zip(metrics, parts, strict=True):
        columns.append(replace(column, label=part.removeprefix("class ")))
    note = f"{sentence_case(in_units(metric.summary, c.description.unit))}."
    return ScoreTable(sentence_case(metric.label), note, columns, rows)


def left_out_note(metric: RegionMetric, part: str, method: str, stored: VolumeRun) -> str:
    """Return how many of a method's label maps have no such number and are not in the mean."""
    n_left_out = n_maps = 0
    for measures in stored.seeds(method).values():
        n_left_out += metric.left_out(measures.regions[part])
        n_maps += len(measures.ids)
    return f"{n_left_out} of {n_maps} left out" if n_left_out else ""


def patients(c: Contents) -> list[Strip]:
    """Return the Dice of each patient, mean over seeds, from `patients.csv`; empty without it."""
    path = c.folder / "patients.csv"
    if not path.is_file():
        return []
    values: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in read_lines(file):
            value = float(row["value"] or "nan")
            if known(value):
                values[row["metric"], row["method"], int(row["patient"])].append(value)
    tables: dict[str, dict[str, dict[int, float]]] = {}  # metric -> method -> patient -> mean
    for (metric, method, patient), of_seeds in values.items():
        rows = tables.setdefault(metric, {name: {} for name in c.methods})
        rows[method][patient] = fmean(of_seeds)
    strips = []
    for metric, rows in tables.items():
        measured_rows = {method: row for method, row in rows.items() if row}
        strips.append(Strip(sentence_case(c.results.metrics[metric].label), measured_rows))
    return strips
