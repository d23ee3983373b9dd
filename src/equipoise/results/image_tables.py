"""From stored predictions to the tables of a study and its verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.discovery import pick
from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS, PER_CLASS
from equipoise.metrics.statistics import mean_known, percentile_interval
from equipoise.results.bootstrap_scores import N_DRAWS, Scores, score
from equipoise.results.champion import Contest, hold_contest
from equipoise.results.comparison import RANKING, Comparison, compare_all
from equipoise.results.image_verdict import sentences
from equipoise.runs.csv_records import column_names, write_csv, write_rows
from equipoise.runs.image_run import Failure, Finished, StoredStudy, read_study

HEADLINE = ("balanced_accuracy", "auroc", "auprc", "rare_recall", "rare_precision", "macro_f1")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One metric of one method.

    Attributes:
        mean: Mean over the runs where the metric is defined; NaN without one.
        sd: Standard deviation over those runs; NaN below two.
        low: Lower end of the 95 % bootstrap interval of the mean over test patients (training chance not in it).
        high: Upper end.
        n_runs: Number of those runs.
    """

    mean: float
    sd: float
    low: float
    high: float
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class of one method: means over the runs that have the class; NaN where none has.

    Attributes:
        support: Test images of the class, each split counted once.
    """

    name: str
    precision: float
    recall: float
    specificity: float
    f1: float
    auroc: float
    auprc: float
    support: int


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """What is known of one method.

    Attributes:
        metrics: {name of metric: summary}, every one of `METRICS`.
        per_class: A row for each class; empty where no run finished.
        confusion: (k, k) counts summed over the runs; rows are the truth, columns the prediction.
        seconds: {stage: mean over the runs}.
        peak_memory_mb: Largest over the runs; NaN where none finished.
    """

    method: str
    n_runs: int
    n_failed: int
    metrics: dict[str, Summary]
    per_class: tuple[ClassRow, ...]
    confusion: NDArray[np.int64]
    seconds: dict[str, float]
    peak_memory_mb: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that table, terminal and report show.

    Attributes:
        verdict: Two sentences; see `sentences`.
        rare_class: Index of the positive class.
        test_patients: Patients of each class among the test images of all splits.
        n_asked: Cells that were asked for.
        n_missing: Of these, neither finished nor failed yet.
        contest: Synthetic images against the cheap controls; None where the study has not both.
        task: What the study is about, "classification" or "segmentation".
        metrics: Every metric in the tables, by name.
        headline: Names of those that a reader sees first.
    """

    methods: tuple[MethodResult, ...]
    comparisons: tuple[Comparison, ...]
    verdict: tuple[str, str]
    failures: tuple[Failure, ...]
    class_names: tuple[str, ...]
    rare_class: int
    baseline: str
    primary_metric: str
    test_patients: tuple[int, ...]
    n_asked: int
    n_missing: int
    contest: Contest | None = None
    task: str = "classification"
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)
    headline: tuple[str, ...] = HEADLINE


def summarize(folder: Path, *, n_draws: int = N_DRAWS) -> Results:
    """Compute the tables of a run folder, complete or not; nothing but stored files is read.

    Raises:
        DataError: No run folder, or cells of one split were tested on different images.
        SettingError: The study's primary metric is unknown.
    """
    study = read_study(Path(folder))
    primary = pick(METRICS, study.primary_metric, "metric")
    scores = score(study, n_draws=n_draws)
    results = Results(
        methods=tuple(_method(name, study, scores) for name in study.methods),
        comparisons=tuple(compare_all(study, scores)),
        verdict=("", ""),
        failures=study.failures,
        class_names=study.class_names,
        rare_class=study.rare_class,
        baseline=study.baseline,
        primary_metric=study.primary_metric,
        test_patients=tuple(scores.patients_per_class.tolist()),
        n_asked=len(study.cells),
        n_missing=study.n_missing,
        contest=hold_contest(study, scores),
    )
    return replace(results, verdict=sentences(results, primary, METRICS[RANKING]))


def _method(name: str, study: StoredStudy, scores: Scores) -> MethodResult:
    rows = np.array(
        [i for i, one in enumerate(study.finished) if one.cell.method == name], dtype=np.int64
    )
    runs = [study.finished[i] for i in rows]
    k = len(study.class_names)
    stages = list(dict.fromkeys(stage for run in runs for stage in run.seconds))
    return MethodResult(
        method=name,
        n_runs=len(runs),
        n_failed=sum(failure.method == name for failure in study.failures),
        metrics={m: summarize_runs(scores.values[m][rows], scores.draws[m][rows]) for m in METRICS},
        per_class=tuple(_class_rows(runs, study.class_names)) if runs else (),
        confusion=sum((_confusion(run) for run in runs), np.zeros((k, k), dtype=np.int64)),
        seconds={stage: float(np.mean([run.seconds[stage] for run in runs])) for stage in stages},
        peak_memory_mb=max((run.peak_memory_mb for run in runs), default=math.nan),
    )


def summarize_runs(values: NDArray[np.float64], draws: NDArray[np.float64]) -> Summary:
    """Summarize a metric over runs from its values (runs,) and its bootstrap draws (runs, b)."""
    known = np.isfinite(values)
    n = int(known.sum())
    if n == 0:
        return Summary(mean=math.nan, sd=math.nan, low=math.nan, high=math.nan, n_runs=0)
    low, high = percentile_interval(mean_known(draws[known]))
    sd = float(values[known].std(ddof=1)) if n > 1 else math.nan
    return Summary(mean=float(values[known].mean()), sd=sd, low=low, high=high, n_runs=n)


def _class_rows(runs: Sequence[Finished], names: Sequence[str]) -> list[ClassRow]:
    values = {
        key: np.stack([rule(run.predictions)[0] for run in runs]) for key, rule in PER_CLASS.items()
    }
    truths = {run.cell.split: run.predictions.y_true for run in runs}
    support = np.bincount(np.concatenate(list(truths.values())), minlength=len(names))
    return [
        ClassRow(
            name=name,
            support=int(support[c]),
            **{key: float(mean_known(v[:, c])) for key, v in values.items()},
        )
        for c, name in enumerate(names)
    ]


def _confusion(run: Finished) -> NDArray[np.int64]:
    return np.asarray(run.predictions.confusion[0], dtype=np.int64)


def write_tables(results: Results, folder: Path) -> None:
    """Write table.csv, comparisons.csv and per_class.csv (the same bytes for the same predictions) and costs.csv.

    Numbers have six decimals; a field is empty where its number is not defined.
    """
    folder = Path(folder)
    methods = results.methods
    write_csv(
        folder / "table.csv",
        ("method", "n_failed", "metric", *column_names(Summary)),
        [
            (m.method, m.n_failed, name, *astuple(row))
            for m in methods
            for name, row in m.metrics.items()
        ],
    )
    write_rows(folder / "comparisons.csv", Comparison, results.comparisons)
    write_csv(
        folder / "per_class.csv",
        ("method", *column_names(ClassRow)),
        [(m.method, *astuple(row)) for m in methods for row in m.per_class],
    )
    write_costs(results, folder)


def write_costs(results: Results, folder: Path) -> None:
    """Write costs.csv: mean seconds of each stage, and memory."""
    write_csv(
        folder / "costs.csv",
        ("method", "stage", "seconds", "peak_memory_mb"),
        [
            (m.method, stage, seconds, m.peak_memory_mb)
            for m in results.methods
            for stage, seconds in m.seconds.items()
        ],
    )
