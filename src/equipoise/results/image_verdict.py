"""The verdict of a study of images in two plain sentences."""

from equipoise.metrics.base import Metric
from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.phrases import (
    capitalized,
    detectable_in_words,
    effects,
    incomplete,
    listed,
    plural,
    with_verdict,
)
from equipoise.results.records import UNTESTED, Results


def sentences(results: Results, primary: Metric, ranking: Metric) -> tuple[str, str]:
    """Write the verdict for a reader who knows the disease and not the statistics.

    The first sentence names what is better on the primary metric and by how much, or how large a
    difference would have been found. The second says whether a metric without threshold agrees,
    what is worse, and what failed. Without that agreement a gain may be only a shift of the
    operating point: rebalancing changes the class prior that a classifier learns (Elkan 2001).

    Args:
        results: Tables of the study; `results.verdict` is not read.
        primary: The metric on which the verdict rests.
        ranking: The metric without threshold.
    """
    parts = [] if primary.name == ranking.name else _agreement(results, primary, ranking)
    if worse := with_verdict("worse", results.compared_on(primary.name)):
        parts.append(f"worse than {results.baseline} in {primary.label}: {effects(worse)}")
    parts += incomplete(results)
    second = capitalized("; ".join(parts or ["every run finished"]))
    return _primary_sentence(results, primary), f"{second}."


def _primary_sentence(results: Results, primary: Metric) -> str:
    rows = results.compared_on(primary.name)
    baseline, rare = results.baseline, results.class_names[results.rare_class]
    if not rows:
        return (
            f"Only {baseline} was requested, so there is nothing to compare "
            f"(positive class: {rare})."
        )
    tested = [row for row in rows if row.verdict not in UNTESTED]
    if not tested:
        return (
            f"No method can be distinguished from {baseline} in {primary.label} "
            f"(positive class: {rare}): {_obstacle(results)}."
        )
    n_runs = [row.n_runs for row in rows if row.verdict != "not enough runs"]
    fewest = "" if min(n_runs) == max(n_runs) else f"{min(n_runs)} to "
    basis = f"positive class: {rare}; {fewest}{plural(max(n_runs), 'paired run')}"
    if better := with_verdict("better", tested):
        return (
            f"Better than {baseline} in {primary.label} ({basis}; 95 % intervals in brackets): "
            f"{effects(better)}."
        )
    detectable = detectable_in_words(tested, primary.bounds[1] - primary.bounds[0])
    return (
        f"No method is detectably better than {baseline} in {primary.label} ({basis}); "
        f"{detectable}."
    )


def _obstacle(results: Results) -> str:
    """Explain why nothing could be tested."""
    baselines = [m for m in results.methods if m.method == results.baseline]
    if not any(m.n_runs for m in baselines):
        return f"no run of {results.baseline} has finished"
    fewest = min(results.test_patients)
    if fewest < FEWEST_PATIENTS:
        name = results.class_names[results.test_patients.index(fewest)]
        return (
            f"the test images hold {plural(fewest, 'patient')} of class {name}, and fewer than "
            f"{FEWEST_PATIENTS} cannot show a difference"
        )
    if any(row.verdict == "no variation" for row in results.compared_on(results.primary_metric)):
        return "every run shows the same difference, and no test patient moves it"
    return "a single run of each cannot show a difference; use more seeds or splits"


def _agreement(results: Results, primary: Metric, ranking: Metric) -> list[str]:
    """Describe what the metric without threshold shows, the gains of the primary metric first."""
    rows = results.compared_on(ranking.name)
    primary_rows = results.compared_on(primary.name)
    gained = {row.method for row in with_verdict("better", primary_rows)}
    lost = {row.method for row in with_verdict("worse", primary_rows)}
    better = with_verdict("better", rows)
    # Without variation: a method that moves the threshold alone ranks exactly as the baseline.
    same = with_verdict("no detectable difference", rows) + with_verdict("no variation", rows)
    worse = [row for row in with_verdict("worse", rows) if row.method not in lost]
    clauses = []
    if confirmed := [row for row in better if row.method in gained]:
        clauses.append(f"confirms {effects(confirmed)}")
    if shifted := [row for row in same + worse if row.method in gained]:
        clauses.append(
            f"does not confirm {effects(shifted)}: "
            "a gain that may be only a shift of the operating point"
        )
    if ranked_better := [row for row in better if row.method not in gained]:
        clauses.append(f"is better with {effects(ranked_better)}")
    if worse:
        clauses.append(f"is worse with {effects(worse)}")
    if not clauses and same:
        clauses.append("shows no detectable gain either")
    if not clauses:
        return []
    return [f"{ranking.label}, which no threshold changes, {listed(clauses)}"]
