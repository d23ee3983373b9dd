"""From what was measured on the test cases to the tables of a study of volumes and its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.discovery import pick
from equipoise.experiments.region_metrics import MEAN_DICE, by_size, dice_names, region_metrics
from equipoise.metrics.base import Metric
from equipoise.metrics.jackknife import jackknife_interval, jackknife_test, leaving_out
from equipoise.metrics.statistics import PairedTest, mean_known
from equipoise.results.comparison import Comparison, conclude
from equipoise.results.image_tables import MethodResult, Results, Summary, write_costs
from equipoise.results.volume_verdict import sentences
from equipoise.runs.case_measures import Measures, Values
from equipoise.runs.csv_records import column_names, write_csv, write_rows
from equipoise.runs.volume_run import StoredVolumes, read_volume_study


def summarize_volumes(folder: Path, *, baseline: str | None = None) -> Results:
    """Compute the tables of a study of volumes, complete or not; nothing but stored files is read.

    Every patient is tested once for each seed, by a network that never saw it; a metric of a seed is taken over
    the test patients of all folds, the mean over seeds is shown, and intervals leave out patients.

    Args:
        folder: Of the run.
        baseline: What the others are compared with; that of the study where None.

    Raises:
        DataError: No run folder.
        SettingError: The study's primary metric or the baseline is unknown.
    """
    study = read_volume_study(Path(folder))
    asked, dataset = study.asked, study.asked["dataset"]
    baseline = (
        asked["baseline"]
        if baseline is None
        else pick({n: n for n in study.methods}, baseline, "method")
    )
    regions = by_size(dataset["regions"])
    metrics = region_metrics(regions, dataset["class_names"][1:])
    primary, dice = pick(metrics, asked["primary_metric"], "metric"), dice_names(regions)
    compared = dict.fromkeys((primary.name, *dice))
    results = Results(
        task="segmentation",
        metrics=metrics,
        headline=tuple(dict.fromkeys((primary.name, MEAN_DICE, *dice))),
        methods=tuple(_method(name, study, metrics) for name in study.methods),
        comparisons=tuple(
            row for name in compared for row in _compare(metrics[name], study, baseline)
        ),
        verdict=("", ""),
        failures=study.failures,
        class_names=tuple(dataset["class_names"]),
        rare_class=int(asked["rare_class"]),
        baseline=baseline,
        primary_metric=primary.name,
        test_patients=(len({p for one in study.finished for p in one.measures.patients.tolist()}),),
        n_asked=len(study.cells),
        n_missing=len(study.cells) - len(study.finished) - len(study.failures),
    )
    return replace(results, verdict=sentences(results, len(asked["seeds"])))


def _method(name: str, study: StoredVolumes, metrics: Mapping[str, Metric]) -> MethodResult:
    cells, seeds = study.of(name), study.seeds(name)
    stages = list(dict.fromkeys(stage for one in cells for stage in one.seconds))
    return MethodResult(
        method=name,
        n_runs=len(cells),
        n_failed=sum(failure.method == name for failure in study.failures),
        metrics={m: _summary(metric, list(seeds.values())) for m, metric in metrics.items()},
        per_class=(),
        confusion=np.zeros((0, 0), dtype=np.int64),
        seconds={stage: float(np.mean([one.seconds[stage] for one in cells])) for stage in stages},
        peak_memory_mb=max((one.peak_memory_mb for one in cells), default=np.nan),
    )


def _summary(metric: Metric, seeds: Sequence[Measures]) -> Summary:
    if not seeds:
        return Summary(mean=np.nan, sd=np.nan, low=np.nan, high=np.nan, n_runs=0)
    patients = np.unique(np.concatenate([measures.patients for measures in seeds]))
    values = np.stack([under_omissions(metric, measures, patients) for measures in seeds])
    low, high = np.clip(jackknife_interval(mean_known(values)), *metric.bounds)
    known = values[np.isfinite(values[:, 0]), 0]
    return Summary(
        mean=float(mean_known(values)[0]),
        sd=float(known.std(ddof=1)) if len(known) > 1 else np.nan,
        low=float(low),
        high=float(high),
        n_runs=len(known),
    )


def under_omissions(metric: Metric, measures: Measures, patients: NDArray[np.int64]) -> Values:
    """Compute a metric (1 + m,) of all cases, and without each of m patients; one without cases changes nothing."""
    weights = leaving_out(patients)[:, np.searchsorted(patients, measures.patients)]
    return metric.rule(measures.reweighted(weights))


def _compare(metric: Metric, study: StoredVolumes, baseline: str) -> list[Comparison]:
    """Compare every other method with the baseline on the cases and seeds that both have."""
    pairs = [(name, baseline) for name in study.methods if name != baseline]
    shared = [_shared(study.seeds(ours), study.seeds(theirs)) for ours, theirs in pairs]
    tests = [_test(metric, found, n_comparisons=len(pairs)) for found in shared]
    return conclude(
        pairs, tests, [sum(len(ours.ids) for ours, _ in found) for found in shared], metric
    )


def _shared(
    ours: Mapping[int, Measures], theirs: Mapping[int, Measures]
) -> list[tuple[Measures, Measures]]:
    pairs = []
    for seed in ours.keys() & theirs.keys():
        _, a, b = np.intersect1d(ours[seed].ids, theirs[seed].ids, return_indices=True)
        if len(a):
            pairs.append((ours[seed].subset(a), theirs[seed].subset(b)))
    return pairs


def _test(
    metric: Metric, pairs: Sequence[tuple[Measures, Measures]], *, n_comparisons: int
) -> PairedTest:
    if not pairs:
        return PairedTest(difference=np.nan)
    patients = np.unique(np.concatenate([ours.patients for ours, _ in pairs]))
    differences = [
        under_omissions(metric, ours, patients) - under_omissions(metric, theirs, patients)
        for ours, theirs in pairs
    ]
    return jackknife_test(mean_known(np.stack(differences)), n_comparisons=n_comparisons)


def write_volume_tables(results: Results, folder: Path) -> None:
    """Write table.csv and comparisons.csv (the same bytes for the same predictions), patients.csv and costs.csv."""
    folder = Path(folder)
    write_csv(
        folder / "table.csv",
        ("method", "n_failed", "metric", *column_names(Summary)),
        [
            (m.method, m.n_failed, name, *astuple(row))
            for m in results.methods
            for name, row in m.metrics.items()
        ],
    )
    write_rows(folder / "comparisons.csv", Comparison, results.comparisons)
    write_csv(
        folder / "patients.csv",
        ("method", "seed", "patient", "metric", "value"),
        _per_patient(folder),
    )
    write_costs(results, folder)


def _per_patient(folder: Path) -> list[tuple[str, int, int, str, float]]:
    """List the Dice of every region in every patient; patients are numbers here."""
    study = read_volume_study(folder)
    regions = by_size(study.asked["dataset"]["regions"])
    metrics = region_metrics(regions)
    dice = [metrics[name] for name in (MEAN_DICE, *dice_names(regions))]
    return [
        (
            method,
            seed,
            int(patient),
            metric.name,
            float(metric.rule(measures.subset(measures.patients == patient))[0]),
        )
        for method in study.methods
        for seed, measures in study.seeds(method).items()
        for patient in np.unique(measures.patients)
        for metric in dice
    ]
