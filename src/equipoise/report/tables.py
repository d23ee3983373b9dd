"""The tables of the report: comparisons, scores, cost, and what a repetition of the study needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from equipoise.metrics.base import Metric
from equipoise.report.figures import Axis, interval_axis
from equipoise.report.formatting import (
    decimal,
    extent,
    flat,
    in_units,
    interval,
    known,
    plural,
    sentence_case,
    signed,
)
from equipoise.report.run_contents import Contents
from equipoise.results.records import ClassRow, Comparison, MethodResult, Summary
from equipoise.results.reference import LABELS
from equipoise.runs.description import (
    ImageDatasetDescription,
    MethodDescription,
    VolumeDatasetDescription,
)

STAGES = {
    "classification": ("resample", "train", "predict"),
    "segmentation": ("train", "predict", "measure"),
}

RESUMED = {
    "classification": "continued from a checkpoint; the time before the stop is not counted.",
    "segmentation": "continued from a checkpoint, or reused the training of a method that differs "
    "only in what follows the training; that earlier time is not counted.",
}


@dataclass(frozen=True)
class Forest:
    """Every method against the baseline on one metric."""

    title: str
    note: str
    rows: Sequence[Comparison]
    axis: Axis


def forests(c: Contents) -> list[Forest]:
    """Return the comparisons with the baseline that have a difference, a forest for a metric."""
    drawn = []
    for name, rows in by_metric(c.results.comparisons).items():
        with_runs = [row for row in rows if row.n_runs and known(row.difference)]
        if with_runs:
            metric = c.results.metrics[name]
            drawn.append(forest(metric, with_runs, c.results.baseline, c.description.unit))
    return drawn


@dataclass(frozen=True)
class MethodFinding:
    """A method in the table of findings: its word, and its difference in every compared metric."""

    method: str
    word: str
    differences: Sequence[Comparison | None]


def findings(c: Contents) -> tuple[list[Metric], list[MethodFinding]]:
    """Return the compared metrics, and what each method does to them."""
    groups = by_metric(c.results.comparisons)
    rows = []
    without_runs = not_scored(c)
    for judgment in c.results.judgments:
        differences: list[Comparison | None] = []
        for comparisons in groups.values():
            of_method = [row for row in comparisons if row.method == judgment.method]
            differences.append(of_method[0] if of_method else None)
        word = without_runs.get(judgment.method, judgment.word)
        rows.append(MethodFinding(judgment.method, word, differences))
    return [c.results.metrics[name] for name in groups], rows


def contest_forests(c: Contents) -> list[Forest]:
    """Return the chosen method with synthetic images against the controls, named by the control."""
    contest = c.results.contest
    if contest is None:
        return []
    champion = contest.rows[0].method
    forests = []
    for name, rows in by_metric(contest.rows).items():
        metric = c.results.metrics[name]
        named_by_control = [replace(row, method=row.baseline) for row in rows]
        against_controls = replace(
            forest(metric, named_by_control, champion, c.description.unit),
            title=f"{sentence_case(metric.label)}, {champion} minus control",
            note=f"{sentence_case(metric.summary)}. {side_of_zero(metric)} of zero {champion} is "
            "better than the control.",
        )
        forests.append(against_controls)
    return forests


def by_metric(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Return the comparisons grouped by metric, in order."""
    groups: dict[str, list[Comparison]] = {}
    for row in comparisons:
        groups.setdefault(row.metric, []).append(row)
    return groups


def side_of_zero(metric: Metric) -> str:
    """Return on which side of zero a difference is an improvement."""
    return "Right" if metric.higher_is_better else "Left"


def forest(metric: Metric, rows: Sequence[Comparison], baseline: str, unit: str) -> Forest:
    """Return the comparisons on one metric, with an axis that covers all intervals."""
    ends: list[float] = []
    for row in rows:
        ends += [row.low, row.high, row.difference]
    summary = sentence_case(in_units(metric.summary, unit))
    note = f"{summary}. {side_of_zero(metric)} of zero a method is better"
    return Forest(
        title=f"{sentence_case(metric.label)}, difference to the baseline ({baseline})",
        note=f"{note} than the baseline.",
        rows=rows,
        axis=interval_axis(ends),
    )


def signed_interval(row: Comparison) -> str:
    """Return the interval of a difference, or an empty string where it is unknown."""
    return interval(row.low, row.high, signed)


@dataclass(frozen=True)
class Score:
    """A cell of the table of results; the note counts what its number leaves out."""

    value: str
    interval: str
    best: bool
    note: str = ""


def scored(c: Contents) -> list[MethodResult]:
    """Return the methods that have a finished run."""
    return [method for method in c.results.methods if method.n_runs]


def not_scored(c: Contents) -> dict[str, str]:
    """Return the methods without a finished run, and why they have none."""
    reasons = {}
    for method in c.results.methods:
        if not method.n_runs:
            reasons[method.method] = "failed" if method.n_failed else "not run yet"
    return reasons


def headline(c: Contents) -> list[Metric]:
    """Return the metrics of the main table, the decisive one first."""
    names = dict.fromkeys((c.results.decisive_metric, *c.results.headline))
    return [c.results.metrics[name] for name in names]


def scores(c: Contents, metrics: Sequence[Metric]) -> dict[str, list[Score]]:
    """Return for each method mean, standard deviation and interval of each metric."""
    methods = scored(c)
    rows: dict[str, list[Score]] = {method.method: [] for method in methods}
    for metric in metrics:
        summaries = [method.metrics[metric.name] for method in methods]
        for method, score in zip(methods, score_column(metric, summaries), strict=True):
            rows[method.method].append(score)
    return rows


def score_column(metric: Metric, summaries: Sequence[Summary]) -> list[Score]:
    """Return a column of the table; the best mean is marked unless all means read the same."""
    digits = 3 if math.isfinite(metric.bounds[1]) else 1  # lengths in mm have no bound
    form = partial(decimal, digits=digits)
    means = [summary.mean for summary in summaries if known(summary.mean)]
    best = form((max if metric.higher_is_better else min)(means, default=None))
    all_equal = len({form(mean) for mean in means}) <= 1
    column = []
    for summary in summaries:
        mean = form(summary.mean)
        spread = f" ± {form(summary.sd)}" if known(summary.sd) else ""
        ends = interval(summary.low, summary.high, form)
        column.append(Score(f"{mean}{spread}", ends, best=mean == best and not all_equal))
    return column


def reference_scores(c: Contents, metrics: Sequence[Metric]) -> dict[str, list[Score]]:
    """Return for each simple reference mean and interval of each metric."""
    rows: dict[str, list[Score]] = {}
    for features in c.reference.features if c.reference is not None else ():
        known_scores = c.reference.scores_of(features) if c.reference is not None else {}
        row = []
        for metric in metrics:
            score = known_scores.get(metric.name)
            mean, low, high = (math.nan,) * 3
            if score is not None:
                mean, low, high = score.mean, score.low, score.high
            row.append(Score(decimal(mean), interval(low, high), best=False))
        rows[LABELS[features]] = row
    return rows


def per_class(c: Contents) -> dict[str, dict[str, ClassRow]]:
    """Return for each class the row of each method."""
    rows: dict[str, dict[str, ClassRow]] = {}
    for label, name in enumerate(c.class_names):
        rows[name] = {method.method: method.per_class[label] for method in scored(c)}
    return rows


@dataclass(frozen=True)
class Cost:
    """What a run of a method costs.

    Attributes:
        seconds: Mean seconds of each stage.
        total: Their sum.
        bar: The total as a share of the most expensive method, in percent.
        memory: Peak memory in MB (2^20 bytes).
        device_memory: Peak memory of the GPU in MB; None without one.
    """

    seconds: Mapping[str, float]
    total: float
    bar: float
    memory: float
    device_memory: float | None


def costs(c: Contents) -> dict[str, Cost]:
    """Return mean seconds of each stage and the largest memory of every method."""
    methods = scored(c)
    totals = {method.method: sum(method.seconds.values()) for method in methods}
    largest = max(totals.values(), default=0.0) or 1.0
    rows = {}
    for method in methods:
        total = totals[method.method]
        device_memory = [record.peak_device_memory_mb for record in c.finished(method.method)]
        rows[method.method] = Cost(
            seconds={stage: method.seconds[stage] for stage in STAGES[c.results.task]},
            total=total,
            bar=round(100 * total / largest, 1),
            memory=method.peak_memory_mb,
            device_memory=max((mb for mb in device_memory if mb is not None), default=None),
        )
    return rows


def cost_note(c: Contents) -> str:
    """Return how the cost was measured and what is missing from it."""
    note = "Mean seconds of a run, and the largest memory of the process over all runs."
    n_resumed = sum(record.resumed for record in c.finished())
    return f"{note} {plural(n_resumed, 'run')} {RESUMED[c.results.task]}" if n_resumed else note


def provenance(c: Contents) -> dict[str, str]:
    """Return what is needed to repeat the run, in addition to its command and settings."""
    study, finished = c.description, c.finished()
    machine = "{system}, {processor}, {cores} cores, {memory_gb} GB, Python {python}"
    devices = sorted({record.device for record in finished})
    return {
        "Seeds": ", ".join(str(seed) for seed in study.seeds),
        "Data": dataset_text(study.dataset),
        "Data fingerprint": study.dataset.fingerprint[:16],
        "Versions": ", ".join(f"{name} {version}" for name, version in study.versions.items()),
        "Machine": machine.format_map(study.machine),
        "Device": ", ".join(devices) or "\N{EN DASH}",
        "Threads of a run": extent(record.threads for record in finished),
    }


def dataset_text(dataset: ImageDatasetDescription | VolumeDatasetDescription) -> str:
    """Return size and kind of the data."""
    if isinstance(dataset, ImageDatasetDescription):
        return f"{dataset.n_images:,} images, stored as {dataset.dtype}"
    values = ", ".join(map(str, dataset.values))
    return (
        f"{plural(dataset.n_images, 'case')} of {', '.join(dataset.modalities)}; "
        f"labels {values} (scheme {dataset.scheme})"
    )


def settings(c: Contents) -> list[MethodDescription]:
    """Return the steps of each method with their settings flattened."""
    methods = []
    for method in c.description.methods:
        steps = tuple(replace(step, settings=flat(step.settings)) for step in method.steps)
        methods.append(replace(method, steps=steps))
    return methods
