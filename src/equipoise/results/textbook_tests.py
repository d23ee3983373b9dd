"""Textbook tests of a method against the baseline: a p value for each split, or one for all."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric, Predictions
from equipoise.metrics.classic_tests import (
    FEWEST_PAIRS,
    corrected_t,
    majority_p,
    mcnemar,
    signed_ranks,
)
from equipoise.metrics.classification import METRICS
from equipoise.metrics.delong import FEWEST, compare_areas
from equipoise.metrics.statistics import PairedTest, holm
from equipoise.results.bootstrap_scores import metrics_of
from equipoise.results.comparison import verdict_of
from equipoise.results.records import RANKING, UNTESTED, Comparison, VerdictWord
from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import FinishedCell, ImageRun

Values = NDArray[np.float64]
PairedCells = Sequence[tuple[FinishedCell, FinishedCell]]  # method and baseline, one pair a seed
Pairs = Mapping[str, PairedCells]  # by split

FILE = "second_opinions.csv"
METRIC_OF = {"delong": RANKING, "mcnemar": "accuracy"}  # the other tests take any metric


@dataclass(frozen=True)
class Answer:
    """A mean difference and its p values: one for each tested split, one for all, or none.

    `no_variation`: there is none because the differences of all splits are equal.
    """

    difference: float = math.nan
    p: tuple[float, ...] = ()
    no_variation: bool = False


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One test of one method against the baseline.

    Attributes:
        test: Key of `TESTS`.
        metric: What the test is about.
        difference: Mean of method minus baseline over splits (DeLong, McNemar: seeds averaged
            first) or runs.
        p: Two-sided p value, see `majority_p`; NaN where the test has too few data.
        p_low: Smallest p value of a split; equal to `p` where the test takes all runs at once.
        p_high: Largest.
        p_holm: `p` corrected over the methods.
        verdict: What follows from `p_holm`.
        ours: The verdict of equipoise: on the same metric, for McNemar on the primary one at the
            usual threshold.
        agreement: "agrees", "differs", or "no answer" where one of the two has none.
    """

    method: str
    baseline: str
    test: str
    metric: str
    difference: float
    p: float
    p_low: float
    p_high: float
    p_holm: float
    verdict: VerdictWord
    ours: VerdictWord
    agreement: str


def second_opinions(run: ImageRun, comparisons: Sequence[Comparison]) -> list[Opinion]:
    """Apply every test of `TESTS` to every method of a run.

    Wilcoxon's and the corrected t test are applied to the metric on which the verdict rests, to
    AUROC and to the primary metric at the usual threshold.

    Args:
        run: The stored predictions.
        comparisons: Those of equipoise, `Results.comparisons`.
    """
    # n_test / n_train, the mean over the splits
    ratio = float(np.mean([split.n_test / split.n_train for split in run.description.splits]))
    others = [name for name in run.methods if name != run.baseline]
    as_trained = {name: pairs_of(run, name) for name in others}
    decided_run = at_own_decisions(run)
    decided = {name: pairs_of(decided_run, name) for name in others}
    known = metrics_of(run)
    compared = dict.fromkeys((run.decisive_metric.name, RANKING, run.primary_metric))
    opinions: list[Opinion] = []
    for test, apply in TESTS.items():
        for metric in [METRIC_OF[test]] if test in METRIC_OF else compared:
            pairs = as_trained if metric in METRICS else decided
            answers = {name: apply(pairs[name], known[metric], ratio) for name in others}
            beside = metric if metric in compared else run.primary_metric
            ours = {row.method: row for row in comparisons if row.metric == beside}
            opinions += _opinions(test, known[metric], answers, ours)
    return opinions


def contradictions(opinions: Sequence[Opinion]) -> list[Opinion]:
    """Select the opinions that call a method better or worse where our verdict does not.

    Those that say the opposite of our verdict come first, then the smallest p values.
    """
    selected = []
    for opinion in opinions:
        if opinion.verdict in ("better", "worse") and opinion.verdict != opinion.ours:
            selected.append(opinion)
    return sorted(selected, key=lambda o: (o.ours not in ("better", "worse"), o.p_holm))


def unconfirmed(opinions: Sequence[Opinion]) -> list[tuple[str, str, str]]:
    """List what our verdict calls better or worse and no other test of the same metric does.

    Returns:
        (method, metric, our verdict); only where another test has an answer.
    """
    others: dict[tuple[str, str, str], list[VerdictWord]] = {}
    for opinion in opinions:
        if opinion.ours in ("better", "worse") and opinion.test != "mcnemar":
            key: tuple[str, str, str] = (opinion.method, opinion.metric, opinion.ours)
            others.setdefault(key, []).append(opinion.verdict)
    selected = []
    for key, verdicts in others.items():
        if key[2] not in verdicts and any(verdict not in UNTESTED for verdict in verdicts):
            selected.append(key)
    return selected


def at_own_decisions(run: ImageRun) -> ImageRun:
    """Replace the scores of every cell by its calls at its own decision; drop cells without one."""
    cells = []
    for finished in run.finished:
        decided = run.decided(finished)
        if decided is not None:
            cells.append(replace(finished, predictions=decided))
    return replace(run, finished=tuple(cells))


def write_second_opinions(opinions: Sequence[Opinion], folder: Path) -> None:
    """Write second_opinions.csv: the same bytes for the same predictions."""
    write_rows(folder / FILE, Opinion, opinions)


def pairs_of(run: ImageRun, method: str) -> Pairs:
    """Pair the finished cells of a method and of the baseline that share split and seed."""
    finished = {cell.cell: cell for cell in run.finished}
    pairs: dict[str, list[tuple[FinishedCell, FinishedCell]]] = {}
    for cell in run.cells_of(method):
        baseline = finished.get(replace(cell.cell, method=run.baseline))
        if baseline is not None:
            pairs.setdefault(cell.cell.split, []).append((cell, baseline))
    return pairs


def delong(pairs: Pairs, metric: Metric, ratio: float) -> Answer:
    """Test AUROC on each split with at least two images of every class (DeLong et al. 1988)."""
    differences, p = [], []
    for cells in pairs.values():
        ours, theirs = _averaged(cells)
        counts = np.bincount(ours.y_true, minlength=ours.n_classes)
        if (counts >= FEWEST).all():
            test = compare_areas(ours, theirs)
            differences.append(test.difference)
            p.append(test.p)
    return join_splits(differences, p)


def mcnemar_by_split(pairs: Pairs, metric: Metric, ratio: float) -> Answer:
    """Test accuracy on each split (McNemar 1947); the predicted class is the largest score."""
    differences, p = [], []
    for cells in pairs.values():
        ours, theirs = (side.y_score.argmax(axis=1) == side.y_true for side in _averaged(cells))
        test = mcnemar(ours, theirs)
        differences.append((test.only_first - test.only_second) / len(ours))
        p.append(test.p)
    return join_splits(differences, p)


def wilcoxon(pairs: Pairs, metric: Metric, ratio: float) -> Answer:
    """Test a metric over all runs (Wilcoxon 1945)."""
    of_splits = _differences(pairs, metric)
    differences = np.concatenate(of_splits) if of_splits else np.empty(0)
    enough = len(differences) >= FEWEST_PAIRS
    return Answer(_mean_of(differences), (signed_ranks(differences),) if enough else ())


def corrected_t_over_splits(pairs: Pairs, metric: Metric, ratio: float) -> Answer:
    """Test a metric over the splits, seeds averaged (Nadeau and Bengio 2003)."""
    means = np.array([differences.mean() for differences in _differences(pairs, metric)])
    if len(means) < 2:
        return Answer(_mean_of(means))
    p = corrected_t(means, ratio=ratio)
    if math.isnan(p):
        return Answer(_mean_of(means), no_variation=True)
    return Answer(_mean_of(means), (p,))


# (pairs, metric, n_test / n_train) -> answer
TESTS: dict[str, Callable[[Pairs, Metric, float], Answer]] = {
    "delong": delong,
    "mcnemar": mcnemar_by_split,
    "wilcoxon": wilcoxon,
    "corrected_t": corrected_t_over_splits,
}


def join_splits(differences: Sequence[float], p: Sequence[float]) -> Answer:
    """Join the answers of splits.

    A split whose difference has another sign than the mean does not support it: its p value counts
    as 1.
    """
    if not differences:
        return Answer()
    mean = float(np.mean(differences))
    supporting = []
    for difference, value in zip(differences, p, strict=True):
        if math.isfinite(value):
            supporting.append(value if difference * mean > 0 else 1.0)
    return Answer(mean, tuple(supporting))


def _averaged(cells: PairedCells) -> tuple[Predictions, Predictions]:
    """Average the scores over the seeds of a split, so that no image counts twice.

    The alternatives are worse: one test for each seed would need another combination of dependent p
    values, and stacking the seeds would treat three answers about one patient as three patients.
    """
    ours, theirs = zip(*cells, strict=True)
    return _mean_scores(ours), _mean_scores(theirs)


def _mean_scores(cells: Sequence[FinishedCell]) -> Predictions:
    scores = np.mean([cell.predictions.y_score for cell in cells], axis=0)
    return replace(cells[0].predictions, y_score=scores)


def _differences(pairs: Pairs, metric: Metric) -> list[Values]:
    """Return the differences (seeds,) of each split where all are defined."""
    of_splits = []
    for cells in pairs.values():
        differences = np.array([a.value_of(metric) - b.value_of(metric) for a, b in cells])
        if np.isfinite(differences).all():
            of_splits.append(differences)
    return of_splits


def _mean_of(values: Values) -> float:
    return float(values.mean()) if len(values) else math.nan


def _opinions(
    test: str, metric: Metric, answers: Mapping[str, Answer], ours: Mapping[str, Comparison]
) -> Iterator[Opinion]:
    """Join the splits of each method, correct over the methods, and compare with our verdicts."""
    p = []
    for answer in answers.values():
        p.append(majority_p(np.array(answer.p)) if answer.p else math.nan)
    for (name, answer), value, corrected in zip(answers.items(), p, holm(p), strict=True):
        tested = PairedTest(difference=answer.difference, no_variation=answer.no_variation)
        verdict = verdict_of(tested, corrected, metric)
        our_verdict = ours[name].verdict
        if verdict in UNTESTED or our_verdict in UNTESTED:
            agreement = "no answer"
        else:
            agreement = "agrees" if verdict == our_verdict else "differs"
        yield Opinion(
            method=name,
            baseline=ours[name].baseline,
            test=test,
            metric=metric.name,
            difference=answer.difference,
            p=value,
            p_low=min(answer.p, default=math.nan),
            p_high=max(answer.p, default=math.nan),
            p_holm=corrected,
            verdict=verdict,
            ours=our_verdict,
            agreement=agreement,
        )
