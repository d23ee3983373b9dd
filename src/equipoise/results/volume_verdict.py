"""The verdict of a study of volumes in two plain sentences."""

from equipoise.metrics.jackknife import FEWEST
from equipoise.results.phrases import (
    capitalized,
    detectable_in_words,
    effects,
    incomplete,
    listed,
    plural,
    with_verdict,
)
from equipoise.results.records import UNTESTED, Results, VerdictWord

VERDICTS: tuple[VerdictWord, VerdictWord] = ("better", "worse")


def volume_sentences(results: Results, n_seeds: int) -> tuple[str, str]:
    """Write the verdict for a reader who knows the disease and not the statistics.

    The first sentence names what segments better by the primary metric and by how much, or how
    large a difference would have been found. The second says what each region shows, and what
    failed.
    """
    names = list(dict.fromkeys(row.metric for row in results.comparisons))
    parts = []
    for name in names:
        clauses = []
        # The first sentence already names what is better on the primary metric.
        for verdict in VERDICTS[name == results.primary_metric :]:
            if selected := with_verdict(verdict, results.compared_on(name)):
                clauses.append(f"{verdict} with {effects(selected)}")
        if clauses:
            parts.append(f"{results.metrics[name].label}: {listed(clauses)}")
    parts += incomplete(results)
    if not parts:
        parts = ["no region shows a detectable difference" if names else "every run finished"]
    return _primary_sentence(results, n_seeds), f"{capitalized('; '.join(parts))}."


def _primary_sentence(results: Results, n_seeds: int) -> str:
    metric, baseline = results.metrics[results.primary_metric], results.baseline
    rows = results.compared_on(metric.name)
    basis = f"{plural(results.test_patients[0], 'test patient')}, {plural(n_seeds, 'seed')}"
    if not rows:
        return f"Only {baseline} was requested, so there is nothing to compare ({basis})."
    tested = [row for row in rows if row.verdict not in UNTESTED]
    if not tested:
        obstacle = f"it takes at least {FEWEST} patients that both have segmented"
        if any(row.verdict == "no variation" for row in rows):
            obstacle = "the difference is the same in every patient"
        return (
            f"No method can be distinguished from {baseline} in {metric.label} ({basis}): "
            f"{obstacle}."
        )
    if better := with_verdict("better", tested):
        return (
            f"Better than {baseline} in {metric.label} ({basis}; 95 % intervals in brackets): "
            f"{effects(better)}."
        )
    detectable = detectable_in_words(tested, metric.bounds[1] - metric.bounds[0])
    return (
        f"No method is detectably better than {baseline} in {metric.label} ({basis}); {detectable}."
    )
