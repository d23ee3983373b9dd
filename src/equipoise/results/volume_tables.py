"""From what was measured on the test cases to the tables of a study of volumes and its verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise.discovery import pick
from equipoise.experiments.region_metrics import MEAN_DICE, by_size, dice_names, region_metrics
from equipoise.metrics.base import Metric
from equipoise.metrics.fold_test import FoldedNumber, average_seeds, fold_test
from equipoise.metrics.jackknife import leaving_out
from equipoise.metrics.statistics import PairedTest
from equipoise.results.comparison import Contrast, conclude_family
from equipoise.results.method_tables import mean_seconds, peak_memory, write_method_tables
from equipoise.results.records import Comparison, MethodResult, Results, Summary
from equipoise.results.volume_verdict import VolumeDesign, volume_sentences
from equipoise.runs.case_measures import CaseMeasures, Values
from equipoise.runs.csv_records import write_csv
from equipoise.runs.run import Run
from equipoise.runs.volume_run import VolumeRun


def summarize_volumes(run: Run, *, baseline: str | None = None) -> Results:
    """Compute the tables of a study of volumes, complete or not, from its stored measures.

    Every patient is tested once for each seed, by a network that never saw it. A metric of a seed
    is computed over the test patients of all folds and averaged over seeds; see `fold_test` for
    intervals and tests.

    Args:
        run: The run.
        baseline: What the others are compared with; that of the study where None.

    Raises:
        DataError: A run on images.
        SettingError: The study's primary metric or the baseline is unknown.
    """
    volumes, description = run.volumes, run.description
    baseline = description.baseline if baseline is None else baseline
    pick(dict.fromkeys(volumes.methods), baseline, "method")
    regions = by_size(volumes.dataset.regions)
    metrics = region_metrics(regions, volumes.dataset.class_names[1:])
    primary = pick(metrics, description.primary_metric, "metric")
    dice = dice_names(regions)
    judged = [metrics[name] for name in dict.fromkeys((primary.name, *dice))]
    patients: set[int] = set()
    for cell in volumes.finished:
        patients |= set(cell.measures.patients.tolist())
    results = Results(
        task=description.task,
        metrics=metrics,
        headline=tuple(dict.fromkeys((primary.name, MEAN_DICE, *dice))),
        methods=tuple(_method_result(name, run, metrics) for name in volumes.methods),
        comparisons=tuple(compare_volumes(judged, volumes, baseline)),
        verdict=("", ""),
        failures=run.failed,
        class_names=volumes.dataset.class_names,
        rare_class=description.rare_class,
        baseline=baseline,
        primary_metric=primary.name,
        decisive_metric=primary.name,
        n_splits=len(description.splits),
        unit=description.unit,
        test_patients=(len(patients),),
        n_requested=len(run.cells),
        n_missing=run.n_missing,
    )
    design = VolumeDesign(
        n_patients=len(patients),
        n_folds=len(description.splits),
        n_seeds=len(description.seeds),
        leaves_one_out=len(description.splits) == volumes.dataset.n_groups,
        unit=description.unit,
    )
    return replace(results, verdict=volume_sentences(results, design))


def under_omissions(
    metric: Metric,
    measures: CaseMeasures,
    unit_of_case: NDArray[np.int64],
    units: NDArray[np.int64],
) -> Values:
    """Compute a metric of all cases, without each of u units, and of each unit alone.

    Args:
        metric: The metric.
        measures: n cases.
        unit_of_case: (n,) patient or fold of each case.
        units: (u,) codes of the units, sorted; leaving out one without cases changes nothing.

    Returns:
        (1 + 2 u,) values.
    """
    weights = leaving_out(units)[:, np.searchsorted(units, unit_of_case)]
    return metric.rule(measures.reweighted(weights))


def folded_numbers(metric: Metric, cases: Sequence[CaseMeasures]) -> list[FoldedNumber]:
    """Compute a metric, and what it is without each fold and each patient of them all.

    Args:
        metric: The metric.
        cases: Test cases of all folds, for each seed (or seed and method).
    """
    patients = np.unique(np.concatenate([measures.patients for measures in cases]))
    folds = np.unique(np.concatenate([measures.fold_codes for measures in cases]))
    numbers = []
    for measures in cases:
        by_fold = under_omissions(metric, measures, measures.fold_codes, folds)
        by_patient = under_omissions(metric, measures, measures.patients, patients)
        numbers.append(FoldedNumber(seeds=by_patient[:1], folds=by_fold, patients=by_patient))
    return numbers


def summarize_seeds(metric: Metric, seeds: Sequence[CaseMeasures]) -> Summary:
    """Summarize a metric over seeds, each of which has segmented the test cases of all folds."""
    if not seeds:
        return Summary(mean=np.nan, sd=np.nan, low=np.nan, high=np.nan, n_runs=0)
    number = average_seeds(folded_numbers(metric, seeds))
    test = fold_test(number)
    low, high = np.clip([test.low, test.high], *metric.bounds)
    defined = number.seeds[np.isfinite(number.seeds)]
    return Summary(
        mean=number.value,
        sd=float(defined.std(ddof=1)) if len(defined) > 1 else np.nan,
        low=float(low),
        high=float(high),
        n_runs=len(defined),
    )


def compare_volumes(metrics: Sequence[Metric], run: VolumeRun, baseline: str) -> list[Comparison]:
    """Compare every other method with the baseline on the cases and seeds that both have.

    All methods on all these metrics are one family; see `conclude_family`.
    """
    methods = [name for name in run.methods if name != baseline]
    contrasts = []
    for metric in metrics:
        for method in methods:
            shared = _shared_cases(run.seeds(method), run.seeds(baseline))
            contrasts.append(
                Contrast(
                    method=method,
                    baseline=baseline,
                    metric=metric,
                    n_runs=sum(len(ours.ids) for ours, _ in shared),
                    test=_paired_difference(metric, shared, len(methods) * len(metrics)),
                )
            )
    return conclude_family(contrasts)


def _paired_difference(
    metric: Metric, shared: Sequence[tuple[CaseMeasures, CaseMeasures]], n_comparisons: int
) -> PairedTest:
    """Test method minus baseline on the cases that both have, seed by seed."""
    if not shared:
        return PairedTest(difference=np.nan)
    ours = folded_numbers(metric, [measures for measures, _ in shared])
    theirs = folded_numbers(metric, [measures for _, measures in shared])
    differences = [number.minus(other) for number, other in zip(ours, theirs, strict=True)]
    return fold_test(average_seeds(differences), n_comparisons=n_comparisons)


def write_volume_tables(results: Results, run: Run) -> None:
    """Write table.csv, comparisons.csv, costs.csv and patients.csv, the Dice of every patient.

    All but costs.csv have the same bytes for the same measures.
    """
    write_method_tables(results, run.folder)
    header = ("method", "seed", "patient", "metric", "value")
    write_csv(run.folder / "patients.csv", header, _patient_rows(run.volumes))


def _method_result(method: str, run: Run, metrics: Mapping[str, Metric]) -> MethodResult:
    seeds = list(run.volumes.seeds(method).values())
    records = run.finished_of(method)
    return MethodResult(
        method=method,
        n_runs=len(records),
        n_failed=len(run.failed_of(method)),
        metrics={name: summarize_seeds(metric, seeds) for name, metric in metrics.items()},
        per_class=(),
        confusion=np.zeros((0, 0), dtype=np.int64),
        seconds=mean_seconds(records),
        peak_memory_mb=peak_memory(records),
    )


def _shared_cases(
    ours: Mapping[int, CaseMeasures], theirs: Mapping[int, CaseMeasures]
) -> list[tuple[CaseMeasures, CaseMeasures]]:
    pairs = []
    for seed in ours.keys() & theirs.keys():
        _, a, b = np.intersect1d(ours[seed].ids, theirs[seed].ids, return_indices=True)
        if len(a):
            pairs.append((ours[seed].subset(a), theirs[seed].subset(b)))
    return pairs


def _patient_rows(run: VolumeRun) -> Iterator[tuple[str, int, int, str, float]]:
    """Yield the Dice of every region in every patient; patients are numbers here."""
    regions = by_size(run.dataset.regions)
    metrics = region_metrics(regions)
    names = (MEAN_DICE, *dice_names(regions))
    for method in run.methods:
        for seed, measures in run.seeds(method).items():
            for patient in np.unique(measures.patients):
                of_patient = measures.subset(measures.patients == patient)
                for name in names:
                    value = float(metrics[name].rule(of_patient)[0])
                    yield method, seed, int(patient), name, value
