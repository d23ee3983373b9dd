"""The verdict of a study of images in two plain sentences."""

import math
from collections.abc import Iterator, Sequence

from equipoise.metrics.base import Metric
from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.judgments import judged
from equipoise.results.phrases import (
    capitalized,
    detectable_extent,
    detectable_in_words,
    effects,
    incomplete,
    listed,
    plural,
    with_verdict,
)
from equipoise.results.records import RANKING, UNTESTED, Comparison, Judgment, Results

POSITIVE_RANKING = "rare_auroc"  # compared beside AUROC where that is a mean over several classes


def sentences(results: Results) -> tuple[str, str]:
    """Write the verdict for a reader who knows the disease and not the statistics.

    The first sentence says "better" only of what a threshold does not give for nothing: every
    method decides at the threshold that is best on its own validation images, the baseline too;
    or it ranks better, which no threshold changes. Otherwise it says how large a difference would
    have been found. The second names methods that only move the operating point, methods that are
    worse, and what failed.

    Source: Elkan (2001) on thresholds and class shares.

    Args:
        results: Tables and judgments of the study; `results.verdict` is not read.
    """
    second = "; ".join([*_further(results), *incomplete(results)])
    return _first(results), f"{capitalized(second or 'every run finished')}."


def _first(results: Results) -> str:
    baseline, rare = results.baseline, results.class_names[results.rare_class]
    metric = results.metrics[results.decisive_metric]
    if not results.judgments:
        return (
            f"Only {baseline} was requested, so there is nothing to compare "
            f"(positive class: {rare})."
        )
    tested = [row for row in results.compared_on(metric.name) if row.verdict not in UNTESTED]
    ranked = [row for row in results.compared_on(RANKING) if row.verdict not in UNTESTED]
    if not tested and not ranked:
        return (
            f"No method can be distinguished from {baseline} (positive class: {rare}): "
            f"{obstacle(results)}."
        )
    basis = _basis(results, tested or ranked)
    better = [judgment.decisive for judgment in judged("better", results.judgments)]
    ranking_better = [judgment.ranking for judgment in judged("ranks better", results.judgments)]
    ranking_label = results.metrics[RANKING].label
    if better:
        text = f"Better than {baseline} in {metric.label} ({basis}; 95 % intervals in brackets): "
        text += effects(better)
        if ranking_better:
            text += f"; better in {ranking_label}: {effects(ranking_better)}"
        return f"{text}."
    if not tested and not ranking_better:
        return (
            f"No method is detectably better than {baseline} in {ranking_label} "
            f"({detectable_in_words(ranked)}; {basis}); {metric.label} cannot be tested: "
            f"{obstacle(results)}."
        )
    undetected = _undetected(metric, tested, results)
    if ranking_better:
        return (
            f"Better than {baseline} in {ranking_label} ({basis}; 95 % intervals in brackets): "
            f"{effects(ranking_better)}; no method is detectably better in {undetected}."
        )
    ranks = "" if metric.name == RANKING else f" and in {_undetected_ranking(ranked, results)}"
    return f"No method is detectably better than {baseline} in {undetected}{ranks} ({basis})."


def _basis(results: Results, tested: Sequence[Comparison]) -> str:
    """Describe what the comparisons rest on; one split says nothing about other training images."""
    n_runs = [row.n_runs for row in tested]
    fewest = "" if min(n_runs) == max(n_runs) else f"{min(n_runs)} to "
    rare = results.class_names[results.rare_class]
    basis = f"positive class: {rare}; {fewest}{plural(max(n_runs), 'paired run')}"
    if results.n_splits == 1:
        basis += "; for models trained on these images, as there is one split"
    return basis


def _undetected(metric: Metric, tested: Sequence[Comparison], results: Results) -> str:
    if not tested:
        return f"{metric.label}, which cannot be tested ({obstacle(results)})"
    return f"{metric.label} ({detectable_in_words(tested)})"


def _undetected_ranking(ranked: Sequence[Comparison], results: Results) -> str:
    label = results.metrics[RANKING].label
    detectable = [row.detectable for row in ranked]
    if not detectable:
        return label
    extent = detectable_extent(detectable, 3)
    return f"{label} ({'too few' if math.isinf(max(detectable)) else extent})"


def obstacle(results: Results) -> str:
    """Explain why nothing could be tested."""
    baselines = [m for m in results.methods if m.method == results.baseline]
    if not any(m.n_runs for m in baselines):
        return f"no run of {results.baseline} has finished"
    fewest = min(results.test_patients)
    if fewest < FEWEST_PATIENTS:
        name = results.class_names[results.test_patients.index(fewest)]
        return (
            f"the test parts hold {plural(fewest, results.unit)} of class {name}, and fewer than "
            f"{FEWEST_PATIENTS} cannot show a difference"
        )
    unvarying = [j.decisive for j in results.judgments if j.decisive.verdict == "no variation"]
    if all_alike(results):
        return "at their own thresholds all score the same in every run"
    if unvarying:
        return (
            f"every run shows the same difference ({effects(unvarying)}), and no test "
            f"{results.unit} moves it"
        )
    if all(m.metrics[results.decisive_metric].n_runs == 0 for m in baselines):
        return "no threshold can be chosen, as a class has no validation image"
    return "a single run of each cannot show a difference; use more seeds or splits"


def all_alike(results: Results) -> bool:
    """Return whether every method that ran scores as the baseline, each at its own threshold."""
    alike = []
    for judgment in results.judgments:
        row = judgment.decisive
        if row.n_runs:
            alike.append(row.verdict == "no variation" and row.difference == 0)
    return bool(alike) and all(alike)


def _further(results: Results) -> Iterator[str]:
    """Yield what the first sentence does not say: confirmation, mere shifts, losses."""
    judgments, baseline = results.judgments, results.baseline
    label = results.metrics[results.decisive_metric].label
    ranking_label = results.metrics[RANKING].label
    better = judged("better", judgments)
    if better and results.decisive_metric != RANKING:
        yield from _confirmation(better, ranking_label)
    if shifted := judged("moves the operating point", judgments):
        usual = [judgment.as_trained for judgment in shifted if judgment.as_trained is not None]
        yield from _shifts(usual, results.metrics[results.primary_metric].label)
    if mixed := judged("mixed", judgments):
        decisive = effects([judgment.decisive for judgment in mixed])
        ranking = effects([judgment.ranking for judgment in mixed])
        yield f"one better, one worse: {label} {decisive}, {ranking_label} {ranking}"
    if worse := judged("worse", judgments):
        yield f"worse than {baseline}: {_losses(worse, results)}"
        usual = [judgment.as_trained for judgment in worse if judgment.as_trained is not None]
        if hidden := with_verdict("better", usual):
            primary = results.metrics[results.primary_metric].label
            yield f"{primary} at the usual threshold hides that: {effects(hidden)}"
    positive = with_verdict("worse", results.compared_on(POSITIVE_RANKING))
    if positive:
        rare = results.class_names[results.rare_class]
        yield f"the AUROC of {rare} itself against the rest is worse with {effects(positive)}"
    same = judged("no variation", judgments)
    if same and len(same) < len(judgments):
        names = listed([judgment.method for judgment in same])
        yield f"the difference between {baseline} and {names} is the same in every run"


def _shifts(usual: Sequence[Comparison], primary: str) -> Iterator[str]:
    """Yield gains and losses at the usual threshold that are gone at own thresholds."""
    if gains := with_verdict("better", usual):
        yield (
            f"at the usual threshold {primary} rises with {effects(gains)}, which moves the "
            "operating point: at own thresholds no gain was detected"
        )
    if losses := with_verdict("worse", usual):
        yield (
            f"at the usual threshold {primary} falls with {effects(losses)}, which moves the "
            "operating point: at own thresholds no loss was detected"
        )


def _confirmation(better: Sequence[Judgment], ranking_label: str) -> Iterator[str]:
    rankings = [judgment.ranking for judgment in better]
    if confirmed := with_verdict("better", rankings):
        yield f"{ranking_label}, which no threshold changes, confirms {effects(confirmed)}"
    if others := with_verdict("no detectable difference", rankings):
        yield f"{ranking_label} does not detectably differ for {effects(others)}"
    if unvarying := with_verdict("no variation", rankings):
        yield f"{ranking_label} differs by as much in every run, untested, for {effects(unvarying)}"


def _losses(worse: Sequence[Judgment], results: Results) -> str:
    """Name every loss with the metric in which it was detected."""
    clauses = []
    for name in dict.fromkeys((results.decisive_metric, RANKING)):
        rows = []
        for judgment in worse:
            row = judgment.decisive if name == results.decisive_metric else judgment.ranking
            if row.verdict == "worse":
                rows.append(row)
        if rows:
            clauses.append(f"{effects(rows)} in {results.metrics[name].label}")
    return listed(clauses)
