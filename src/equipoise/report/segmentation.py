"""What only the report of a study of volumes shows: voxels, regions, patients."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from equipoise.metrics.segmentation import SEGMENTATION_METRICS
from equipoise.report import charts, overview, volumes
from equipoise.report.failed_cells import failures
from equipoise.report.figures import Panel, Style, styles_of
from equipoise.report.formatting import extent, plural, times
from equipoise.report.notices import IMAGES, TRAINING, Notice, arrange
from equipoise.report.run_contents import Contents
from equipoise.results.checkpoints import policy_in_words
from equipoise.results.regime.volumes import FEWEST_TESTED
from equipoise.results.volume_verdict import ENOUGH_FOLDS

BEFORE = {  # name of the template -> heading
    "segmentation/data": "Data",
    "failed": "Failed cells",
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

StageCharts = tuple[dict[str, Style], list[Panel]]  # methods that have the stage, and its charts


def view(c: Contents) -> dict[str, object]:
    """Return what only the templates of this task show."""
    stored = c.run.volumes
    return {
        "items": "Cases",
        "basis": basis(c),
        "glance": glance(c),
        "notices": arrange(notices(c)),
        "classes": volumes.class_counts(c, stored),
        "regions": volumes.regions(c),
        "main_table": volumes.main_table(c),
        "further_tables": volumes.further_tables(c, stored),
        "class_table": volumes.class_table(c, stored),
        "patients": volumes.patients(c),
        "stages": stages(c),
        "measures": list(SEGMENTATION_METRICS.values()),
        "findings": [],
        "corrected": any(record.tau for record in c.volume_records()),
    }


def stages(c: Contents) -> dict[str, StageCharts]:
    """Return the charts of each training stage; the stage is "" where a segmenter has only one."""
    recorded: dict[str, set[str]] = {name: set() for name in c.methods}
    for cell, history in c.run.histories.items():
        for stage, _ in history:
            recorded[cell.method].add(stage.partition("/")[2])
    all_styles = styles_of(c.methods, ink=c.results.baseline)
    prominent = charts.prominent(c)
    names: set[str] = set()
    for method in prominent:
        names |= recorded[method]
    stage_charts: dict[str, StageCharts] = {}
    for name in sorted(names):
        styles = {method: all_styles[method] for method in prominent if name in recorded[method]}
        panels = charts.classifier_panels(c, styles, name)
        if not name:  # the stages of a cascade number their classes in another way
            panels = with_class_names(panels, c.class_names)
        stage_charts[name] = (styles, panels)
    return stage_charts


def with_class_names(panels: Sequence[Panel], class_names: Sequence[str]) -> list[Panel]:
    """Return charts whose titles name the class instead of its number."""
    renamed = []
    for panel in panels:
        title = CLASS.sub(lambda match: class_names[int(match[1])], panel.title)
        renamed.append(replace(panel, title=title))
    return renamed


def basis(c: Contents) -> str:
    """Return the sentences on what the verdict rests."""
    metric = c.results.metrics[c.results.primary_metric].label
    n_patients, n_folds = c.results.test_patients[0], len(c.description.splits)
    n_seeds = plural(len(c.description.seeds), "seed")
    one = c.description.unit
    folds = f"{n_folds} folds by {one}"
    unit = (
        f"the unit is the fold, whose {one}s the same networks have segmented, with its seeds "
        f"averaged; the variance over {one}s is added"
    )
    if n_folds == 1:
        folds = "1 split"
        unit = (
            f"the variance over seeds is added to that over {one}s, so the verdict speaks of "
            f"networks trained on these {one}s"
        )
    elif n_folds == c.description.dataset.n_groups:
        folds, unit = f"{n_folds} folds of one {one} each", f"the unit is the {one}"
    return (
        f"Each of {plural(n_patients, one)} is segmented once for every seed, by a network "
        f"that never saw this {one} ({folds}, {n_seeds}). The verdict rests on {metric}, named "
        f"before anything was trained. Methods are paired with the baseline {c.results.baseline} "
        f"by {one}; in tests and intervals (Student's t) {unit}. "
        f"{policy_in_words(c.description)}".rstrip()
    )


def glance(c: Contents) -> dict[str, str]:
    """Return the study in numbers."""
    dataset = c.description.volumes
    counts = [n for n in dataset.counts if n]
    return {
        "cases": f"{dataset.n_images:,}",
        "patients": overview.patients_in_words(c),
        "modalities": ", ".join(dataset.modalities),
        "classes": str(len(c.class_names)),
        "rarest class, of all voxels": volumes.share(min(counts) / sum(counts)),
        "splits and seeds": times(len(c.description.splits), len(c.description.seeds)),
        "cells done": f"{len(c.finished())} of {len(c.run.cells)}",
        "cells failed": str(len(c.run.failed)),
    }


def notices(c: Contents) -> Iterator[Notice]:
    """Yield the same with the group of each, and whether it changes the reading of the verdict."""
    yield from overview.stated_notes(c)
    yield from failures(c)
    yield from overview.incomplete(c)
    yield from overview.notes(c)
    yield from overview.regime_notices(c)
    enough_patients = c.results.test_patients[0] >= FEWEST_TESTED
    if enough_patients and 1 < len(c.description.splits) < ENOUGH_FOLDS:
        text = (
            f"With {len(c.description.splits)} folds the intervals are wide, because so few "
            f"trainings hardly show how much networks differ. Use {ENOUGH_FOLDS} folds or more."
        )
        yield Notice(text=text, group=TRAINING)
    dense = dense_methods(c)
    if dense:
        text = (
            f"In dense mode ({', '.join(dense)}) the network learns every pixel of a patch: the "
            "pixels remain imbalanced even where the patch centers are balanced. See what the "
            "networks were shown."
        )
        yield Notice(text=text, group=TRAINING)
    for note in segmenter_notes(c):
        yield Notice(text=note, group=TRAINING)
    skipped = c.description.skipped
    if skipped and not c.names:
        text = f"Left out, because they could not be read: {plural(len(skipped), 'case')}."
        yield Notice(text=text, group=IMAGES, is_about_input=True)
    for reason in skipped if c.names else ():
        text = f"A case was left out: {reason}"
        yield Notice(text=text, group=IMAGES, is_about_input=True)


def dense_methods(c: Contents) -> list[str]:
    """Return the methods with a segmenter in dense mode, also as a stage of a cascade."""
    methods = []
    for method in c.description.methods:
        if "dense" in modes(method.steps[-1].settings):
            methods.append(method.name)
    return methods


def modes(settings: Any) -> set[str]:
    """Return the mode of a segmenter, and those of the segmenters that it is made of."""
    if not isinstance(settings, dict):
        return set()
    names = {str(settings.get("mode"))}
    for value in settings.values():
        names |= modes(value)
    return names


def segmenter_notes(c: Contents) -> Iterator[str]:
    """Yield each note of the segmenters once, with the number of cells that have it."""
    for method in c.methods:
        records = c.volume_records(method)
        counts: dict[str, int] = {}
        for record in records:
            for note in dict.fromkeys(record.notes):
                counts[note] = counts.get(note, 0) + 1
        for note, n in counts.items():
            yield f"{method}, in {extent([n])} of {plural(len(records), 'cell')}: {note}"
