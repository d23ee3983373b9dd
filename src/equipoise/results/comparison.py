"""Every method against the baseline, paired over splits and seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import PairedTest, holm, paired_test
from equipoise.results.bootstrap_scores import BootstrapScores
from equipoise.results.records import RANKING, Comparison, VerdictWord
from equipoise.runs.image_run import ImageRun

SIGNIFICANCE = 0.05
# If five patients all favor one side, a sign test gives p = 2 / 2^5 = 0.0625; six can reach 5 %.
FEWEST_PATIENTS = 6


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One method against another on one metric, tested but not yet corrected for its family.

    Attributes:
        method: The method.
        baseline: The method that it is compared with.
        metric: The metric.
        n_runs: Runs (or cases) that both have.
        test: Method minus baseline.
    """

    method: str
    baseline: str
    metric: Metric
    n_runs: int
    test: PairedTest


def compare_all(run: ImageRun, scores: BootstrapScores) -> list[Comparison]:
    """Compare every other method with the baseline on `compared_metrics`."""
    pairs = [(name, run.baseline) for name in run.methods if name != run.baseline]
    judged, explaining = compared_metrics(run)
    rows = compare_family(pairs, judged, run, scores)
    for metric in explaining:
        rows += compare_pairs(pairs, metric, run, scores)
    return rows


def compared_metrics(run: ImageRun) -> tuple[list[Metric], list[Metric]]:
    """Return the metrics on which methods are judged, and those that only explain them.

    The decisive metric and `RANKING` are one family: a method that is better in either is called
    better. What only explains them has a family for each metric: the primary metric at the usual
    threshold, and what concerns the positive class alone.
    """
    decisive = run.decisive_metric
    judged = {metric.name: metric for metric in (decisive, METRICS[RANKING])}
    names = [run.primary_metric, "auprc"]
    if len(run.class_names) > 2:
        names.append("rare_auroc")
    explaining = [METRICS[name] for name in names if name not in judged]
    return list(judged.values()), explaining


def compare_family(
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[Metric],
    run: ImageRun,
    scores: BootstrapScores,
) -> list[Comparison]:
    """Compare the first method of each pair with the second; correct over pairs and metrics."""
    contrasts: list[Contrast] = []
    for metric in metrics:
        size = len(pairs) * len(metrics)
        contrasts += contrast_pairs(pairs, metric, run, scores, n_comparisons=size)
    return conclude_family(contrasts)


def compare_on(metric: Metric, run: ImageRun, scores: BootstrapScores) -> list[Comparison]:
    """Compare every other method with the baseline on a metric; correct for their number."""
    pairs = [(name, run.baseline) for name in run.methods if name != run.baseline]
    return compare_pairs(pairs, metric, run, scores)


def compare_pairs(
    pairs: Sequence[tuple[str, str]], metric: Metric, run: ImageRun, scores: BootstrapScores
) -> list[Comparison]:
    """Compare the first method of each pair with the second; correct for the number of pairs."""
    return conclude_family(contrast_pairs(pairs, metric, run, scores, n_comparisons=len(pairs)))


def contrast_pairs(
    pairs: Sequence[tuple[str, str]],
    metric: Metric,
    run: ImageRun,
    scores: BootstrapScores,
    *,
    n_comparisons: int,
) -> list[Contrast]:
    """Test the first method of each pair against the second, for `conclude_family`.

    Nothing is tested if a class has fewer than `FEWEST_PATIENTS` test patients.

    Args:
        pairs: (method, baseline).
        metric: The metric.
        run: The run.
        scores: The metric of every run, and under every draw of the patients.
        n_comparisons: Size of the family that `conclude_family` will correct for.
    """
    values, draws = scores.values[metric.name], scores.draws[metric.name]
    present = scores.patients_per_class[scores.patients_per_class > 0]
    fewest = int(present.min(initial=np.iinfo(np.int64).max))
    contrasts = []
    for method, baseline in pairs:
        ours, theirs = _paired_rows(method, baseline, run, np.isfinite(values)).T
        differences = values[ours] - values[theirs]  # (runs,)
        if not len(differences):
            test = PairedTest(difference=math.nan)
        elif fewest < FEWEST_PATIENTS:
            test = PairedTest(difference=float(differences.mean()))
        else:
            names = [run.finished[row].cell.split for row in ours]
            _, splits = np.unique(names, return_inverse=True)
            test = paired_test(
                differences,
                draws[ours] - draws[theirs],
                splits,
                n_patients=fewest,
                n_comparisons=n_comparisons,
            )
        contrasts.append(
            Contrast(
                method=method, baseline=baseline, metric=metric, n_runs=len(differences), test=test
            )
        )
    return contrasts


def conclude_family(contrasts: Sequence[Contrast]) -> list[Comparison]:
    """Correct the p values of a family, whatever its metrics, and add the verdict of each contrast.

    A family is everything of which a sentence names what is better or worse: all methods on all
    judged metrics. Contrasts that could not be tested do not count.

    Source: Holm (1979).

    Example:
        >>> from equipoise.metrics.classification import METRICS
        >>> contrasts = []
        >>> for name, p in [("balanced_accuracy", 0.02), ("auroc", 0.04)]:
        ...     contrasts.append(
        ...         Contrast(
        ...             method="smote", baseline="none", metric=METRICS[name], n_runs=3,
        ...             test=PairedTest(difference=0.1, p=p),
        ...         )
        ...     )
        >>> [(row.metric, row.p_holm, row.verdict) for row in conclude_family(contrasts)]
        [('balanced_accuracy', 0.04, 'better'), ('auroc', 0.04, 'better')]
    """
    corrected = holm([contrast.test.p for contrast in contrasts])
    rows = []
    for contrast, p_holm in zip(contrasts, corrected, strict=True):
        test = contrast.test
        span = contrast.metric.bounds[1] - contrast.metric.bounds[0]
        row = Comparison(
            method=contrast.method,
            baseline=contrast.baseline,
            metric=contrast.metric.name,
            difference=test.difference,
            low=max(test.low, -span),
            high=min(test.high, span),
            p=test.p,
            p_holm=p_holm,
            verdict=verdict_of(test, p_holm, contrast.metric),
            detectable=math.inf if test.detectable >= span else test.detectable,
            n_runs=contrast.n_runs,
        )
        rows.append(row)
    return rows


def verdict_of(test: PairedTest, p_holm: float, metric: Metric) -> VerdictWord:
    """Return "better" or "worse" only where the corrected p value is below 5 %.

    The interval of the difference then excludes 0.
    """
    if test.no_variation:
        return "no variation"
    if math.isnan(p_holm):
        return "not enough runs"
    if p_holm >= SIGNIFICANCE:
        return "no detectable difference"
    return "better" if (test.difference > 0) == metric.higher_is_better else "worse"


def _paired_rows(
    method: str, baseline: str, run: ImageRun, defined: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the rows (runs, 2) of both methods, for each run where both are defined."""
    row_of = {}
    for row, finished in enumerate(run.finished):
        if defined[row]:
            row_of[finished.cell] = row
    pairs = []
    for cell, row in row_of.items():
        partner = replace(cell, method=baseline)
        if cell.method == method and partner in row_of:
            pairs.append((row, row_of[partner]))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
