"""What the report of a study of volumes shows that no other does: voxels, regions, patients."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from equipoise.metrics.segmentation import SEGMENTATION_METRICS
from equipoise.report import charts, overview, volumes
from equipoise.report.figures import Panel, Style, styles_of
from equipoise.report.formatting import extent, plural, times
from equipoise.report.run_contents import Contents

BEFORE = {  # name of the template -> heading
    "segmentation/data": "Data",
    "comparison": "Comparison with the baseline",
    "segmentation/results": "Results",
}
AFTER = {
    "segmentation/training": "Training",
    "cost": "Cost",
    "repeat": "How to repeat this",
    "segmentation/reading": "How to read this",
}
CLASS = re.compile(r"class (\d+)$")
FEW_PATIENTS = 6  # below, Student's t over patients rests on its assumption more than on the data


def view(c: Contents) -> dict[str, Any]:
    """Give what the templates of this task need beside what all of them get."""
    stored = c.run.volumes
    return {
        "unit": "Cases",
        "basis": basis(c),
        "glance": glance(c),
        "warnings": list(warnings(c)),
        "classes": volumes.class_counts(c, stored),
        "regions": volumes.regions(c),
        "main_table": volumes.main_table(c),
        "further_tables": volumes.further_tables(c, stored),
        "class_table": volumes.class_table(c, stored),
        "patients": volumes.patients(c),
        "stages": stages(c),
        "measures": list(SEGMENTATION_METRICS.values()),
        "corrected": any(record.tau for record in c.volume_records()),
    }


def stages(c: Contents) -> dict[str, tuple[dict[str, Style], list[Panel]]]:
    """Draw the training of each stage, "" where a segmenter has only one, with the methods that have it."""
    recorded: dict[str, set[str]] = {name: set() for name in c.methods}
    for cell, history in c.run.histories.items():
        recorded[cell.method] |= {stage.partition("/")[2] for stage, _ in history}
    all_styles = styles_of(c.methods, ink=c.results.baseline)
    styles = {name: all_styles[name] for name in charts.prominent(c)}
    found = {}
    for part in sorted({part for name in styles for part in recorded[name]}):
        drawn = {name: style for name, style in styles.items() if part in recorded[name]}
        panels = charts.classifier_panels(c, drawn, part)
        found[part] = (drawn, [_named(panel, c) for panel in panels] if not part else panels)
    return found


def _named(panel: Panel, c: Contents) -> Panel:
    """Write the name of the class that a panel is about; the stages of a cascade count theirs otherwise."""
    return replace(panel, title=CLASS.sub(lambda found: c.class_names[int(found[1])], panel.title))


def basis(c: Contents) -> str:
    """Say on what the verdict rests."""
    metric = c.results.metrics[c.results.primary_metric].label
    n_folds, n_seeds = (
        plural(len(c.description.splits), "split"),
        plural(len(c.description.seeds), "seed"),
    )
    return (
        f"Each of {plural(c.results.test_patients[0], 'patient')} is segmented once for every seed, by a network "
        f"that never saw this patient ({n_folds} by patient, {n_seeds}). The verdict rests on {metric}, named "
        f"before anything was trained. Methods are paired with the baseline {c.results.baseline} by patient; "
        "intervals are Student's t over patients, by leaving out one patient after another (jackknife)."
    )


def glance(c: Contents) -> dict[str, str]:
    """Give the study in numbers."""
    dataset = c.description.volumes
    counts = [n for n in dataset.counts if n]
    return {
        "cases": f"{dataset.n_images:,}",
        "patients": f"{dataset.n_groups:,}",
        "modalities": ", ".join(dataset.modalities),
        "classes": str(len(dataset.class_names)),
        "rarest class, of all voxels": volumes.share(min(counts) / sum(counts)),
        "splits and seeds": times(len(c.description.splits), len(c.description.seeds)),
        "cells done": f"{len(c.finished())} of {len(c.run.cells)}",
        "cells failed": str(len(c.run.failed)),
    }


def warnings(c: Contents) -> Iterator[str]:
    """Say what a reader has to know before believing the rest."""
    yield from overview.incomplete(c)
    yield from overview.failures(c)
    yield from _few(c)
    yield from _dense(c)
    yield from _notes(c)
    for reason in c.description.skipped:
        yield f"A case was left out: {reason}"
    yield from c.description.notes


def _few(c: Contents) -> Iterator[str]:
    n = c.results.test_patients[0]
    if 0 < n < FEW_PATIENTS:
        yield (
            f"With {plural(n, 'patient')} the intervals assume that the differences between patients are about "
            "normally distributed, which so few cannot show. Read them with the results of each patient."
        )


def _dense(c: Contents) -> Iterator[str]:
    dense = [
        method.name
        for method in c.description.methods
        if "dense" in _modes(method.steps[-1].settings)
    ]
    if dense:
        yield (
            f"In dense mode ({', '.join(dense)}) every pixel of a patch is learned from: the pixels remain "
            "imbalanced even where the patch centers are balanced. See what the networks were shown."
        )


def _modes(settings: Any) -> set[str]:
    """Find the mode of a segmenter, and of those that it is made of."""
    if not isinstance(settings, dict):
        return set()
    inner = [_modes(value) for value in settings.values()]
    return {str(settings.get("mode"))}.union(*inner)


def _notes(c: Contents) -> Iterator[str]:
    """Give each sentence that segmenters noted once, with how often it came."""
    for method in c.methods:
        records = c.volume_records(method)
        for note in dict.fromkeys(note for record in records for note in record.notes):
            n = sum(note in record.notes for record in records)
            yield f"{method}, in {extent([n])} of {plural(len(records), 'cell')}: {note}"
