"""What to do: one sentence on which a clinician can act, with its number."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from equipoise.results.best_method import best_first
from equipoise.results.image_verdict import all_alike, obstacle
from equipoise.results.judgments import judged
from equipoise.results.phrases import (
    capitalized,
    detectable_extent,
    detectable_in_words,
    listed,
    with_interval,
    with_verdict,
)
from equipoise.results.records import (
    RANKING,
    UNTESTED,
    Judgment,
    Results,
    Summary,
)
from equipoise.results.release import MethodRelease
from equipoise.runs.image_run import ImageRun

NOTICEABLE = 0.005  # a change of balanced accuracy below it is not worth a number
# A study that would have missed a difference of this size has not settled the question.
COARSE = 0.1


def advise(
    results: Results, run: ImageRun, releases: Mapping[str, MethodRelease] | None = None
) -> str:
    """Write what to do after a study of images.

    Args:
        results: Tables and judgments of the study.
        run: Its stored predictions, for the thresholds.
        releases: Method -> whether its synthetic images may be released,
            `equipoise.results.release.read_releases`; None where no evidence was gathered.
    """
    has_baseline = any(m.method == results.baseline and m.n_runs for m in results.methods)
    decisive = [judgment.decisive for judgment in results.judgments]
    unvarying = any(row.verdict == "no variation" and row.difference for row in decisive)
    tested = any(row.verdict not in UNTESTED for row in decisive)
    if not has_baseline or (unvarying and not tested):
        return f"Nothing can be advised yet: {obstacle(results)}."
    parts = []
    chosen = advised_judgment(results, run)
    if chosen is not None:
        parts.append(f"Train with {chosen.method} and {_decide(chosen.method, results, run)}")
        parts.append(_gain(chosen, results))
    else:
        parts.append(f"Keep {_plain(results)} and {_decide(results.baseline, results, run)}")
        parts += _no_gain(results)
    parts += _about_synthetic_images(results, run, releases or {})
    return f"{capitalized('; '.join(parts))}."


def advised_judgment(results: Results, run: ImageRun) -> Judgment | None:
    """Return the method that is detectably better than the baseline, or ranks better.

    Of several the best on validation images; None where there is none.
    """
    better = judged("better", results.judgments) or judged("ranks better", results.judgments)
    return _best_on_validation(better, run) if better else None


def advised_thresholds(results: Results, run: ImageRun) -> list[float]:
    """Return the threshold of each run of the advised method; none where none is advised."""
    if results.decisive_metric == RANKING or len(results.class_names) != 2:
        return []
    chosen = advised_judgment(results, run)
    method = results.baseline if chosen is None else chosen.method
    return [] if _largest_wins(method, results) else _thresholds_of(method, run)


def advise_volumes(results: Results) -> str:
    """Write what to do after a study of volumes."""
    metric = results.metrics[results.decisive_metric]
    rows = results.compared_on(metric.name)
    summaries = {m.method: m.metrics[metric.name] for m in results.methods}
    if not summaries[results.baseline].n_runs:
        return f"Nothing can be advised yet: no run of {results.baseline} has finished."
    better = with_verdict("better", rows)
    chosen = better[0].method if better else results.baseline
    reached = f"{metric.label} {_with_ends(summaries[chosen])}"
    if better:
        gain = f"{with_interval(better[0])} over {results.baseline}"
        return f"Train with {chosen}: {reached}, {gain}."
    detectable = [row.detectable for row in rows if row.verdict not in UNTESTED]
    if not rows:
        return f"Keep {chosen}: {reached}."
    if not detectable:
        return (
            f"Keep {chosen}: {reached}; whether another method adds anything cannot be told from "
            f"these {results.unit}s and splits."
        )
    found = detectable_in_words(rows)
    if max(detectable) >= COARSE:
        found += f"; more {results.unit}s, folds or seeds may still show a gain"
    return f"Keep {chosen}: {reached}; no other method adds a detectable amount ({found})."


def _plain(results: Results) -> str:
    if results.baseline == "none":
        return "the plain classifier (none)"
    return results.baseline


def _decide(method: str, results: Results, run: ImageRun) -> str:
    """Say how to decide with a method, and what that reaches."""
    rare = results.class_names[results.rare_class]
    summaries = next(m.metrics for m in results.methods if m.method == method)
    decided, ranking = summaries[results.decisive_metric], summaries[RANKING]
    if results.decisive_metric == RANKING or not decided.n_runs:
        reached = f"{results.metrics[RANKING].label} {_with_ends(ranking)}"
        return f"choose its threshold on validation images: {reached}"
    usual = summaries[results.primary_metric]
    label = results.metrics[results.decisive_metric].label.removesuffix(" at own thresholds")
    if _largest_wins(method, results):
        return (
            f"decide by its largest probability: {label} {_with_ends(usual)}; thresholds chosen on "
            f"validation images do no better ({decided.mean:.2f})"
        )
    if len(results.class_names) == 2:
        thresholds = _threshold(_thresholds_of(method, run))
        rule = f"call an image {rare} from a probability of {thresholds}"
    else:
        rule = "add the offsets of thresholds.csv to the log probabilities before the largest wins"
    instead = ""
    if _is_comparable(results) and decided.mean - usual.mean >= NOTICEABLE:
        instead = f" instead of {usual.mean:.2f} at the usual threshold"
    return f"{rule}: {label} {_with_ends(decided)}{instead}"


def _is_comparable(results: Results) -> bool:
    """Return whether the decisive metric is the primary one at own thresholds."""
    return results.decisive_metric == f"decided_{results.primary_metric}"


def _largest_wins(method: str, results: Results) -> bool:
    """Return whether thresholds chosen on validation images do no better than the usual one."""
    summaries = next(m.metrics for m in results.methods if m.method == method)
    usual, decided = summaries[results.primary_metric], summaries[results.decisive_metric]
    return _is_comparable(results) and usual.mean >= decided.mean


def _thresholds_of(method: str, run: ImageRun) -> list[float]:
    """Return the threshold of each run of a method that has one."""
    decisions = [run.decisions[cell.cell] for cell in run.cells_of(method)]
    return [decision.threshold for decision in decisions if decision is not None]


def _threshold(thresholds: list[float]) -> str:
    """Return the median threshold, and the range over runs where they differ."""
    median, low, high = map(_probability, np.quantile(thresholds, [0.5, 0.0, 1.0]))
    return f"{median} on" if low == high else f"{median} on ({low} to {high} over the runs)"


def _probability(value: float) -> str:
    """Return two digits, and as many as it takes to distinguish the probability from 1."""
    if value >= 1:
        return "1"
    digits = max(2, math.ceil(-math.log10(1 - value)))
    return f"{value:.2g}" if value < 0.99 else f"{value:.{digits}f}"


def _with_ends(summary: Summary) -> str:
    if not math.isfinite(summary.low):
        return f"{summary.mean:.2f}"
    return f"{summary.mean:.2f} [{summary.low:.2f}, {summary.high:.2f}]"


def _gain(chosen: Judgment, results: Results) -> str:
    over = f"over {results.baseline}"
    if results.decisive_metric != RANKING:
        over += " at its own threshold"
    if chosen.word == "better":
        n_better = len(judged("better", results.judgments))
        choice = f" (of {n_better} such methods the best on validation)" if n_better > 1 else ""
        return f"that is {with_interval(chosen.decisive)} {over}{choice}"
    label = results.metrics[RANKING].label
    return f"it ranks better ({label} {with_interval(chosen.ranking)}), but is not detectably " + (
        f"better {over}"
    )


def _no_gain(results: Results) -> Iterator[str]:
    if not results.judgments:
        return
    rows = results.compared_on(results.decisive_metric)
    detectable = [row.detectable for row in rows if row.verdict not in UNTESTED]
    if all_alike(results):
        yield f"rebalancing changes nothing: {obstacle(results)}"
        return
    if not detectable:
        yield f"whether rebalancing adds anything cannot be told: {obstacle(results)}"
        return
    if math.isinf(max(detectable)):
        yield f"no rebalancing adds a detectable amount, but {detectable_in_words(rows)}"
        return
    found = f"{detectable_extent(detectable, 2)} would have been found"
    if max(detectable) >= COARSE:
        found += f"; more {results.unit}s, splits or seeds may still show a gain"
    yield f"no rebalancing adds a detectable amount ({found})"


def _best_on_validation(judgments: list[Judgment], run: ImageRun) -> Judgment:
    """Choose by the validation images, as the best of several on the test images is partly luck."""
    metric, means = run.decisive_metric, {}
    on_validation = run.on_validation()
    for judgment in judgments:
        values = []
        for cell in on_validation.cells_of(judgment.method):
            predictions = on_validation.decided(cell)
            if predictions is not None:
                values.append(float(metric.rule(predictions)[0]))
        means[judgment.method] = float(np.mean(values)) if values else math.nan
    best = best_first(metric, means)[0]
    return next(judgment for judgment in judgments if judgment.method == best)


def _about_synthetic_images(
    results: Results, run: ImageRun, releases: Mapping[str, MethodRelease]
) -> Iterator[str]:
    """Yield whether synthetic images are worth using, and whether they may be released."""
    if not run.adding:
        return
    if results.contest is None:
        yield "whether synthetic images beat copies of real ones was not tested (add replay)"
        return
    contest = results.contest
    decisive = [row for row in contest.rows if row.metric == contest.rows[0].metric]
    lost = [row.baseline for row in decisive if row.verdict != "better"]
    worse = [row.baseline for row in decisive if row.verdict == "worse"]
    if worse and len(worse) == len(decisive):
        yield f"do not use the synthetic images: they do worse than {listed(worse)}"
    elif lost:
        yield f"do not use the synthetic images: they gain nothing detectable over {listed(lost)}"
    else:
        least = min(decisive, key=lambda row: row.difference)
        yield (
            f"the synthetic images of {contest.champion} are worth it: at least "
            f"{with_interval(least)} over {least.baseline}"
        )
    release = releases.get(contest.champion)
    if release is None:
        yield "they have not been audited, so do not release them"
    elif not release.green:
        yield f"do not release them: {release.objection}"
