"""The tables of the report: comparisons, scores, cost, and what a repetition needs."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.report.figures import Axis, interval_axis
from equipoise.report.formatting import (
    decimal,
    extent,
    flat,
    interval,
    known,
    plural,
    sentence_case,
    signed,
)
from equipoise.report.run_contents import Contents
from equipoise.results.records import ClassRow, Comparison, MethodResult
from equipoise.runs.description import ImageDatasetDescription, VolumeDatasetDescription

STAGES = {
    "classification": ("resample", "train", "predict"),
    "segmentation": ("train", "predict", "measure"),
}

RESUMED = {
    "classification": "went on from a checkpoint; what came before the stop is not counted.",
    "segmentation": "went on from a checkpoint, or took over the training of a method that differs only in what "
    "comes after it; what was done before is not counted.",
}


@dataclass(frozen=True)
class Forest:
    """Every method against the baseline on one metric."""

    title: str
    note: str
    rows: Sequence[Comparison]
    axis: Axis


def forests(c: Contents) -> list[Forest]:
    """Lay the comparisons out, one forest for each metric."""
    rows: dict[str, list[Comparison]] = defaultdict(list)
    for row in c.results.comparisons:
        rows[row.metric].append(row)
    return [
        _forest(c.results.metrics[name], found, c.results.baseline) for name, found in rows.items()
    ]


def contest_forests(c: Contents) -> list[Forest]:
    """Lay out the best arm with synthetic images against the cheap controls, named by the control."""
    if c.results.contest is None:
        return []
    rows: dict[str, list[Comparison]] = defaultdict(list)
    for row in c.results.contest.rows:
        rows[row.metric].append(replace(row, method=row.baseline))
    champion = c.results.contest.champion
    return [
        replace(
            _forest(METRICS[name], found, champion),
            title=f"{sentence_case(METRICS[name].label)}, {champion} minus control",
            note=f"{sentence_case(METRICS[name].summary)}. Away from zero to the better side, {champion} gains.",
        )
        for name, found in rows.items()
    ]


def _forest(metric: Metric, rows: Sequence[Comparison], baseline: str) -> Forest:
    side = "Right" if metric.higher_is_better else "Left"
    axis = interval_axis(end for row in rows for end in (row.low, row.high, row.difference))
    return Forest(
        title=f"{sentence_case(metric.label)}, difference to the baseline ({baseline})",
        note=f"{sentence_case(metric.summary)}. {side} of zero a method is better than the baseline.",
        rows=rows,
        axis=axis,
    )


def signed_interval(row: Comparison) -> str:
    """Write the interval of a difference, or nothing where it is not known."""
    return interval(row.low, row.high, signed)


@dataclass(frozen=True)
class Score:
    """A cell of the table of results; the note says what its number leaves out."""

    value: str
    interval: str
    best: bool
    note: str = ""


def scored(c: Contents) -> list[MethodResult]:
    """List the methods that have a finished run."""
    return [m for m in c.results.methods if m.n_runs]


def headline(c: Contents) -> list[Metric]:
    """List the metrics of the main table, the primary one first."""
    return [
        c.results.metrics[name]
        for name in dict.fromkeys((c.results.primary_metric, *c.results.headline))
    ]


def scores(c: Contents, metrics: Sequence[Metric]) -> dict[str, list[Score]]:
    """Write each method's mean, standard deviation and interval of each metric."""
    columns = [_column(metric, scored(c)) for metric in metrics]
    return {m.method: [column[i] for column in columns] for i, m in enumerate(scored(c))}


def _column(metric: Metric, methods: Sequence[MethodResult]) -> list[Score]:
    found = [m.metrics[metric.name] for m in methods]
    form = partial(
        decimal, digits=3 if math.isfinite(metric.bounds[1]) else 1
    )  # lengths in mm have no bound
    means = [form(s.mean) for s in found if known(s.mean)]
    best = (max if metric.higher_is_better else min)(
        (s.mean for s in found if known(s.mean)), default=None
    )
    return [
        Score(
            value=form(s.mean) + (f" ± {form(s.sd)}" if known(s.sd) else ""),
            interval=interval(s.low, s.high, form),
            best=len(set(means)) > 1 and form(s.mean) == form(best),
        )
        for s in found
    ]


def per_class(c: Contents) -> dict[str, dict[str, ClassRow]]:
    """Give for each class the row of each method."""
    return {
        name: {m.method: m.per_class[k] for m in scored(c)} for k, name in enumerate(c.class_names)
    }


@dataclass(frozen=True)
class Cost:
    """What a run of a method costs; `bar` is its share of the dearest in percent, memory is in MB (2^20 bytes)."""

    seconds: Mapping[str, float]
    total: float
    bar: float
    memory: float
    device_memory: float | None


def costs(c: Contents) -> dict[str, Cost]:
    """Give the mean seconds of each stage and the largest memory of every method."""
    totals = {m.method: sum(m.seconds.values()) for m in scored(c)}
    return {
        m.method: Cost(
            {stage: m.seconds[stage] for stage in STAGES[c.results.task]},
            totals[m.method],
            round(100 * totals[m.method] / (max(totals.values()) or 1.0), 1),
            m.peak_memory_mb,
            _device_memory(c, m.method),
        )
        for m in scored(c)
    }


def _device_memory(c: Contents, method: str) -> float | None:
    found = [r.peak_device_memory_mb for r in c.finished(method)]
    return max((mb for mb in found if mb is not None), default=None)


def cost_note(c: Contents) -> str:
    """Say how the cost was measured and what is missing from it."""
    resumed = sum(r.resumed for r in c.finished())
    return "Mean seconds of a run, and the largest memory of the process over all runs." + (
        f" {plural(resumed, 'run')} {RESUMED[c.results.task]}" if resumed else ""
    )


def provenance(c: Contents) -> dict[str, str]:
    """Give everything that a repetition needs besides command and settings."""
    study, finished = c.description, c.finished()
    return {
        "Seeds": ", ".join(str(seed) for seed in study.seeds),
        "Data": _data(study.dataset),
        "Data fingerprint": study.dataset.fingerprint,
        "Versions": ", ".join(f"{name} {version}" for name, version in study.versions.items()),
        "Machine": "{system}, {processor}, {cores} cores, {memory_gb} GB, Python {python}".format_map(
            study.machine
        ),
        "Device": ", ".join(sorted({r.device for r in finished})) or "\N{EN DASH}",
        "Threads of a run": extent(r.threads for r in finished),
    }


def _data(dataset: ImageDatasetDescription | VolumeDatasetDescription) -> str:
    if isinstance(dataset, ImageDatasetDescription):
        return f"{dataset.n_images:,} images, stored as {dataset.dtype}"
    cases = plural(dataset.n_images, "case")
    values = ", ".join(map(str, dataset.values))
    return f"{cases} of {', '.join(dataset.modalities)}; labels {values} (scheme {dataset.scheme})"


def settings(c: Contents) -> list[dict[str, Any]]:
    """List the steps of each method with their settings laid out flat."""
    return [
        {
            "name": method.name,
            "steps": [replace(step, settings=flat(step.settings)) for step in method.steps],
        }
        for method in c.description.methods
    ]
