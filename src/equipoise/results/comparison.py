"""Every method against the baseline, paired over splits and seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import PairedTest, holm, paired_test
from equipoise.results.bootstrap_scores import Scores
from equipoise.runs.image_run import StoredStudy

Word = Literal["better", "worse", "no detectable difference", "not enough runs"]

RANKING = "auroc"  # compared beside the primary metric: no threshold moves it
SIGNIFICANCE = 0.05
# Five patients that all speak for one side give a sign test p = 2 / 2^5 = 0.0625; six can reach 5 %.
FEWEST_PATIENTS = 6


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One method against the baseline on one metric, paired over splits and seeds; see `paired_test`.

    Attributes:
        difference: Mean of method minus baseline; NaN without a common run.
        low: Lower end of its 95 % interval, not corrected for the number of comparisons.
        high: Upper end.
        p: Two-sided p value.
        p_holm: The same, corrected over the methods compared on this metric.
        verdict: "better" and "worse" only where `p_holm` < 0.05.
        detectable: Smallest true difference that would have been found with 80 % power, correction included.
        n_runs: Runs (split, seed) that both have.
    """

    method: str
    baseline: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    verdict: Word
    detectable: float
    n_runs: int


def compare_all(study: StoredStudy, scores: Scores) -> list[Comparison]:
    """Compare every other method with the baseline, on the primary metric and on one without threshold."""
    metrics = dict.fromkeys((study.primary_metric, RANKING))
    return [row for name in metrics for row in compare_on(METRICS[name], study, scores)]


def compare_on(metric: Metric, study: StoredStudy, scores: Scores) -> list[Comparison]:
    """Compare every other method with the baseline on a metric that was scored; correct within this metric."""
    others = [name for name in study.methods if name != study.baseline]
    return compare_pairs([(name, study.baseline) for name in others], metric, study, scores)


def compare_pairs(
    pairs: Sequence[tuple[str, str]], metric: Metric, study: StoredStudy, scores: Scores
) -> list[Comparison]:
    """Compare the first method of each pair with the second; correct for the number of pairs."""
    runs = [_runs_of(*pair, metric.name, study, scores) for pair in pairs]
    tests = [_test(rows, metric.name, study, scores, n_comparisons=len(pairs)) for rows in runs]
    return conclude(pairs, tests, [len(rows) for rows in runs], metric)


def conclude(
    pairs: Sequence[tuple[str, str]],
    tests: Sequence[PairedTest],
    n_runs: Sequence[int],
    metric: Metric,
) -> list[Comparison]:
    """Correct the tests of some pairs for their number, and say what each found."""
    corrected = holm([test.p for test in tests])
    return [
        Comparison(
            method=name,
            baseline=baseline,
            metric=metric.name,
            difference=test.difference,
            low=test.low,
            high=test.high,
            p=test.p,
            p_holm=p_holm,
            verdict=judge(test, p_holm, metric),
            detectable=test.detectable,
            n_runs=n,
        )
        for (name, baseline), n, test, p_holm in zip(pairs, n_runs, tests, corrected, strict=True)
    ]


def _runs_of(
    method: str, baseline: str, metric: str, study: StoredStudy, scores: Scores
) -> NDArray[np.int64]:
    """Give the rows (runs, 2) of method and baseline for each run where both know the metric."""
    known = {
        (one.cell.method, one.cell.split, one.cell.seed): row
        for row, one in enumerate(study.finished)
        if np.isfinite(scores.values[metric][row])
    }
    runs = [(split, seed) for name, split, seed in known if name == method]
    pairs = [
        (known[method, *run], known[baseline, *run]) for run in runs if (baseline, *run) in known
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _test(
    pairs: NDArray[np.int64], metric: str, study: StoredStudy, scores: Scores, *, n_comparisons: int
) -> PairedTest:
    if not len(pairs):
        return PairedTest(difference=math.nan)
    ours, theirs = pairs.T
    differences = scores.values[metric][ours] - scores.values[metric][theirs]
    fewest = int(scores.patients_per_class[scores.patients_per_class > 0].min())
    if fewest < FEWEST_PATIENTS:
        return PairedTest(difference=float(differences.mean()))
    _, splits = np.unique([study.finished[row].cell.split for row in ours], return_inverse=True)
    return paired_test(
        differences,
        scores.draws[metric][ours] - scores.draws[metric][theirs],
        splits,
        n_patients=fewest,
        n_comparisons=n_comparisons,
    )


def judge(test: PairedTest, p_holm: float, metric: Metric) -> Word:
    """Say "better" or "worse" only where the corrected p value is below 5 % (the interval then excludes 0)."""
    if math.isnan(p_holm):
        return "not enough runs"
    if p_holm >= SIGNIFICANCE:
        return "no detectable difference"
    return "better" if (test.difference > 0) == metric.higher_is_better else "worse"
