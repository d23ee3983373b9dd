"""From stored predictions to the tables of a study of images and its verdict."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np

from equipoise.metrics.base import Values
from equipoise.metrics.classification import PER_CLASS
from equipoise.metrics.statistics import mean_known
from equipoise.results.bootstrap_scores import (
    N_DRAWS,
    BootstrapScores,
    metrics_of,
    score,
)
from equipoise.results.champion import hold_contest
from equipoise.results.comparison import compare_all, compared_metrics
from equipoise.results.image_verdict import sentences
from equipoise.results.judgments import judge
from equipoise.results.method_tables import (
    mean_seconds,
    peak_memory,
    summarize_runs,
    write_method_tables,
)
from equipoise.results.records import HEADLINE, ClassRow, MethodResult, Results
from equipoise.runs.csv_records import column_names, write_csv
from equipoise.runs.image_run import FinishedCell
from equipoise.runs.run import Run


def summarize(
    run: Run, *, scores: BootstrapScores | None = None, n_draws: int = N_DRAWS
) -> Results:
    """Compute the tables of a run, complete or not, from its stored predictions.

    Args:
        run: The run.
        scores: Its scores, `equipoise.results.bootstrap_scores.score`; computed where None.
        n_draws: Draws of the bootstrap, where the scores are computed.

    Raises:
        DataError: A run on volumes, or cells of one split were tested on different images.
        SettingError: The study's primary metric is unknown.
    """
    images = run.images
    metrics = metrics_of(images)
    if scores is None:
        compared = [metric.name for family in compared_metrics(images) for metric in family]
        scores = score(images, n_draws=n_draws, compared=compared)
    results = Results(
        methods=tuple(_method_result(name, run, scores, metrics) for name in images.methods),
        comparisons=tuple(compare_all(images, scores)),
        verdict=("", ""),
        failures=run.failed,
        class_names=images.class_names,
        rare_class=run.description.rare_class,
        baseline=images.baseline,
        primary_metric=images.primary_metric,
        decisive_metric=images.decisive_metric.name,
        n_splits=len(run.description.splits),
        unit=run.description.unit,
        test_patients=tuple(scores.patients_per_class.tolist()),
        n_requested=len(run.cells),
        n_missing=run.n_missing,
        contest=hold_contest(images, scores),
        metrics=metrics,
        headline=tuple(dict.fromkeys((images.decisive_metric.name, *HEADLINE))),
    )
    results = replace(results, judgments=tuple(judge(results)))
    return replace(results, verdict=sentences(results))


def write_image_tables(results: Results, folder: Path) -> None:
    """Write table.csv, comparisons.csv, per_class.csv and costs.csv.

    All but costs.csv have the same bytes for the same predictions. Numbers have six decimals; a
    field is empty where its number is not defined.
    """
    write_method_tables(results, folder)
    rows = []
    for result in results.methods:
        rows += [(result.method, *astuple(row)) for row in result.per_class]
    write_csv(folder / "per_class.csv", ("method", *column_names(ClassRow)), rows)


def _method_result(
    method: str, run: Run, scores: BootstrapScores, names: Collection[str]
) -> MethodResult:
    images = run.images
    rows, cells = images.rows_of(method), images.cells_of(method)
    metrics = {}
    for name in names:
        metrics[name] = summarize_runs(scores.values[name][rows], scores.posterior[name][method])
    confusion = np.zeros((len(images.class_names), len(images.class_names)), dtype=np.int64)
    for cell in cells:
        confusion += replace(cell.predictions).confusion[0].astype(np.int64)
    return MethodResult(
        method=method,
        n_runs=len(cells),
        n_failed=len(run.failed_of(method)),
        metrics=metrics,
        per_class=tuple(_class_rows(cells, images.class_names)) if cells else (),
        confusion=confusion,
        seconds=mean_seconds(run.finished_of(method)),
        peak_memory_mb=peak_memory(run.finished_of(method)),
    )


def _class_rows(cells: Sequence[FinishedCell], names: Sequence[str]) -> Iterator[ClassRow]:
    values: dict[str, list[Values]] = {measure: [] for measure in PER_CLASS}  # (k,) of each run
    for cell in cells:
        predictions = replace(cell.predictions)  # what it prepares would fill the memory
        for measure, rule in PER_CLASS.items():
            values[measure].append(rule(predictions)[0])
    truth_of_split = {cell.cell.split: cell.predictions.y_true for cell in cells}
    support = np.bincount(np.concatenate(list(truth_of_split.values())), minlength=len(names))
    for c, name in enumerate(names):
        of_class = {}
        for measure, of_runs in values.items():
            of_class[measure] = float(mean_known(np.array([of_run[c] for of_run in of_runs])))
        yield ClassRow(name=name, support=int(support[c]), **of_class)
