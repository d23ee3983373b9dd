"""What the other checkpoint policy would have shown: `checkpoints.csv`.

Keeping the weights that were best on the validation images or the last ones, averaged, can be worth
as much as a method. All methods of a study keep theirs by one policy, the policy is named, and the
same trainings are scored under the other one, too.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import PairedTest
from equipoise.results.bootstrap_scores import N_DRAWS, BootstrapScores, metrics_of, score
from equipoise.results.comparison import conclude_family, contrast_pairs
from equipoise.results.judgments import judge
from equipoise.results.method_tables import summarize_runs
from equipoise.results.phrases import MOST_NAMED, listed
from equipoise.results.records import RANKING, UNTESTED, Comparison, Judgment, Results, Summary
from equipoise.results.regime.warning import is_frozen
from equipoise.runs.csv_records import read_rows, write_rows
from equipoise.runs.description import MethodDescription, StudyDescription
from equipoise.runs.image_run import ImageRun

FILE = "checkpoints.csv"
BEST, LAST = "best", "last"
OTHER = {BEST: LAST, LAST: BEST}
# `keep_best` -> in words
LAST_WEIGHTS = {"averaged": "the last weights, averaged", "last": "the last weights"}
BEST_WEIGHTS = "the weights that were best on validation"
IN_WORDS = {BEST: BEST_WEIGHTS, LAST: LAST_WEIGHTS["averaged"]}
# of heads on frozen features, whose policies differ in the weight decay
FROZEN_IN_WORDS = {
    BEST: "the weight decay that was best on validation",
    LAST: "one weight decay for all",
}
VALIDATION_METRICS = {"loss": "loss", "mean_dice": "mean Dice"}  # others are in `METRICS`
UNDEFINED = Summary(mean=math.nan, sd=math.nan, low=math.nan, high=math.nan, n_runs=0)


@dataclass(frozen=True, kw_only=True)
class CheckpointRow:
    """One method under one policy on one metric.

    Attributes:
        policy: "best" on the validation images, or "last", averaged.
        kept: 1 where it is the policy of the method in this study, else 0.
        metric: The decisive metric, `RANKING` or the primary metric.
        n_runs: Finished runs whose scores under the policy are known.
        mean: Mean over these runs; NaN without one.
        low: Lower end of its 95 % interval over test patients.
        high: Upper end.
        difference: To the baseline under the same policy; NaN for the baseline.
        difference_low: Lower end of its 95 % interval.
        difference_high: Upper end.
        p_holm: Two-sided p value, corrected as in the verdict.
        word: Word of the method under the policy, see `Judgment`; empty for the baseline and where
            its scores are not known.
    """

    method: str
    policy: str
    kept: int
    metric: str
    n_runs: int
    mean: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    p_holm: float
    word: str


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyResults:
    """What one policy shows.

    Attributes:
        summaries: {(method, metric): summary}.
        comparisons: {(method, metric): comparison with the baseline}.
        words: {method: word}.
    """

    summaries: Mapping[tuple[str, str], Summary]
    comparisons: Mapping[tuple[str, str], Comparison]
    words: Mapping[str, str]


def checkpoint_rows(
    run: ImageRun, results: Results, *, n_draws: int = N_DRAWS
) -> list[CheckpointRow]:
    """Compute both policies of every method; [] where the scores of the other one are not known.

    Args:
        run: The stored predictions.
        results: The results of the run, under the policy of the study.
        n_draws: Draws of the bootstrap.
    """
    other_run = run.under_other_policy()
    if not other_run.finished:
        return []
    names = tuple(dict.fromkeys((results.decisive_metric, RANKING, results.primary_metric)))
    kept = _kept_results(results, names)
    metrics = {name: metrics_of(run)[name] for name in names}
    scores = score(other_run, metrics=metrics, n_draws=n_draws)
    other = _other_results(other_run, results, names, scores)
    rows = []
    for method in run.description.methods:
        policy = policy_of(method)
        for shown, name, is_kept in ((kept, policy, 1), (other, OTHER[policy], 0)):
            for metric in names:
                rows.append(_row(method.name, name, is_kept, metric, shown))
    return rows


def write_checkpoints(rows: Sequence[CheckpointRow], folder: Path) -> None:
    """Write `checkpoints.csv`; nothing where there are no rows."""
    if rows:
        write_rows(folder / FILE, CheckpointRow, rows)


def read_checkpoints(folder: Path) -> list[CheckpointRow]:
    """Read what `write_checkpoints` wrote; [] where it wrote nothing."""
    path = folder / FILE
    return read_rows(path, CheckpointRow) if path.is_file() else []


def policy_of(method: MethodDescription) -> str:
    """Return the policy of a method: `LAST` where its classifier keeps the last weights."""
    return LAST if _keep_best(method) in LAST_WEIGHTS else BEST


def policy_in_words(description: StudyDescription) -> str:
    """Write by which policy the methods of a study keep their weights; empty if it is not known."""
    methods_of: dict[str, list[str]] = {}
    for method in description.methods:
        keep_best = _keep_best(method)
        if keep_best:
            weights = _weights_in_words(keep_best, frozen=is_frozen(description))
            methods_of.setdefault(weights, []).append(method.name)
    if not methods_of:
        return ""
    if len(methods_of) == 1:
        [weights] = methods_of
        return f"Every method keeps {weights}."
    parts = [f"{weights} ({listed(names)})" for weights, names in methods_of.items()]
    return (
        f"The methods keep different weights: {'; '.join(parts)}. Part of a difference between "
        "them may be due to that choice."
    )


def disagreement(
    rows: Sequence[CheckpointRow],
    baseline: str,
    metrics: Mapping[str, Metric],
    *,
    frozen: bool = False,
) -> str:
    """Write how the verdict would differ under the other policy; empty where it would not.

    The differences stand beside the words: one that hardly changes was near the limit already.

    Args:
        rows: Of `checkpoint_rows`.
        baseline: Name of the baseline.
        metrics: Every metric of the run by name.
        frozen: Whether the classifiers are heads on frozen features.
    """
    differences = {(row.method, row.metric, row.kept): row.difference for row in rows}
    judged_on = dict.fromkeys((rows[0].metric, RANKING)) if rows else {}
    changes = []
    for method, (kept, other) in _words(rows).items():
        if kept == other or (kept in UNTESTED and other in UNTESTED):
            continue
        parts = []
        for name in judged_on:
            shown, instead = differences[method, name, 0], differences[method, name, 1]
            parts.append(f"{metrics[name].label} {shown:+.3f} instead of {instead:+.3f}")
        changes.append(f"{method} would be “{other}”, not “{kept}” ({', '.join(parts)})")
    if not changes:
        return ""
    if len(changes) > MOST_NAMED:
        changes = [*changes[:MOST_NAMED], f"{len(changes) - MOST_NAMED} more would differ"]
    kept = "how the weight decay is chosen" if frozen else "which weights are kept"
    return (
        f"The verdict depends on {kept}: with {_other_weights(rows, frozen=frozen)}, against "
        f"{baseline} {listed(changes)}."
    )


def shift_in_words(rows: Sequence[CheckpointRow], label: str, *, frozen: bool = False) -> str:
    """Write by how much the choice of the policy alone moves the decisive metric of a method."""
    decisive = rows[0].metric
    means = {(row.method, row.kept): row.mean for row in rows if row.metric == decisive}
    shifts = []
    for (method, kept), mean in means.items():
        shift = means[method, 0] - mean
        if kept and math.isfinite(shift):
            shifts.append(shift)
    if not shifts:
        return ""
    low, high = f"{min(shifts):+.3f}", f"{max(shifts):+.3f}"
    amount = low if low == high else f"{low} to {high}, depending on the method"
    other = _other_weights(rows, frozen=frozen)
    return f"The same trainings, with {other}, change {label} by {amount}."


def unknown_in_words(rows: Sequence[CheckpointRow]) -> str:
    """Write of which methods the other policy is not known; empty where it is of all."""
    names = []
    for row in rows:
        if not row.kept and not row.n_runs and row.method not in names:
            names.append(row.method)
    if not names:
        return ""
    return (
        f"Not known for {listed(names)}: the last layer would have to be trained a second time, or "
        "the runs are older than this table."
    )


def _words(rows: Sequence[CheckpointRow]) -> dict[str, tuple[str, str]]:
    """Return the words of each method under the kept and the other policy, where both are known."""
    words = {(row.method, row.kept): row.word for row in rows}
    both = {}
    for (method, kept), word in words.items():
        if kept and word and words[method, 0]:
            both[method] = (word, words[method, 0])
    return both


def _other_weights(rows: Sequence[CheckpointRow], *, frozen: bool) -> str:
    policies = dict.fromkeys(row.policy for row in rows if not row.kept)
    if len(policies) > 1:
        return "the weights of the other policy of each method"
    [policy] = policies
    return (FROZEN_IN_WORDS if frozen else IN_WORDS)[policy]


def _row(method: str, policy: str, kept: int, metric: str, results: PolicyResults) -> CheckpointRow:
    summary = results.summaries[method, metric]
    comparison = results.comparisons.get((method, metric))
    if comparison is not None and not comparison.n_runs:
        comparison = None
    return CheckpointRow(
        method=method,
        policy=policy,
        kept=kept,
        metric=metric,
        n_runs=summary.n_runs,
        mean=summary.mean,
        low=summary.low,
        high=summary.high,
        difference=comparison.difference if comparison else math.nan,
        difference_low=comparison.low if comparison else math.nan,
        difference_high=comparison.high if comparison else math.nan,
        p_holm=comparison.p_holm if comparison else math.nan,
        word=results.words[method] if comparison else "",
    )


def _kept_results(results: Results, names: Sequence[str]) -> PolicyResults:
    summaries = {}
    for method in results.methods:
        for name in names:
            summaries[method.method, name] = method.metrics[name]
    return PolicyResults(
        summaries=summaries,
        comparisons={(row.method, row.metric): row for row in results.comparisons},
        words=dict(_judged(results.judgments)),
    )


def _other_results(
    run: ImageRun, results: Results, names: Sequence[str], scores: BootstrapScores
) -> PolicyResults:
    """Compare and judge the methods as the verdict does, under the other policy."""
    summaries = {}
    for method in run.methods:
        rows = run.rows_of(method)
        for name in names:
            values, posterior = scores.values[name][rows], scores.posterior[name][method]
            summaries[method, name] = summarize_runs(values, posterior) if len(rows) else UNDEFINED
    comparisons = _compare_other(run, results, scores)
    judgments = judge(replace(results, comparisons=tuple(comparisons)))
    return PolicyResults(
        summaries=summaries,
        comparisons={(row.method, row.metric): row for row in comparisons},
        words=dict(_judged(judgments)),
    )


def _compare_other(run: ImageRun, results: Results, scores: BootstrapScores) -> list[Comparison]:
    """Compare the methods in the families of the verdict.

    A method whose scores are not known stays in its family with its p value under the policy of the
    study: otherwise a smaller family alone would make others better.
    """
    pairs = [(name, run.baseline) for name in run.methods if name != run.baseline]
    headline = {metric.name: metric for metric in (run.decisive_metric, METRICS[RANKING])}
    families = [list(headline.values())]
    if run.primary_metric not in headline:
        families.append([METRICS[run.primary_metric]])
    kept = {(row.method, row.metric): row for row in results.comparisons}
    comparisons = []
    for family in families:
        contrasts = []
        for metric in family:
            size = len(pairs) * len(family)
            for contrast in contrast_pairs(pairs, metric, run, scores, n_comparisons=size):
                test = contrast.test
                if not contrast.n_runs:
                    row = kept[contrast.method, metric.name]
                    test = PairedTest(difference=row.difference, p=row.p)
                contrasts.append(replace(contrast, test=test))
        comparisons += conclude_family(contrasts)
    return comparisons


def _judged(judgments: Iterator[Judgment] | Sequence[Judgment]) -> Iterator[tuple[str, str]]:
    for judgment in judgments:
        yield judgment.method, judgment.word


def _keep_best(method: MethodDescription) -> str:
    """Return `keep_best` of the estimator, of a cascade that of its first one; empty without."""
    if not method.steps:
        return ""
    settings = method.steps[-1].settings
    first = settings.get("detect")
    keep_best = first.get("keep_best") if isinstance(first, dict) else settings.get("keep_best")
    return keep_best if isinstance(keep_best, str) else ""


def _weights_in_words(keep_best: str, *, frozen: bool) -> str:
    if keep_best in LAST_WEIGHTS:
        return FROZEN_IN_WORDS[LAST] if frozen else LAST_WEIGHTS[keep_best]
    best = FROZEN_IN_WORDS[BEST] if frozen else BEST_WEIGHTS
    if keep_best in METRICS:
        return f"{best} ({METRICS[keep_best].label})"
    return f"{best} ({VALIDATION_METRICS.get(keep_best, keep_best)})"
