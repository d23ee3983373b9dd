"""The verdict of a study in two plain sentences."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from equipoise.metrics.base import Metric
from equipoise.results.comparison import FEWEST_PATIENTS, Comparison, Word

if TYPE_CHECKING:
    from equipoise.results.image_tables import Results

MOST_NAMED = 5  # methods in one clause; the tables hold all


def sentences(results: "Results", primary: Metric, ranking: Metric) -> tuple[str, str]:
    """Write the verdict for someone who knows the disease and not the statistics.

    The first sentence says what is better on the primary metric and by how much, or how large a difference would
    have been found. The second says whether a metric without threshold agrees (else the gain may be a mere shift
    of the operating point, methods 7.5), what is worse, and what failed.

    Args:
        results: Tables of the study; `results.verdict` is not read.
        primary: The metric on which the verdict rests.
        ranking: The metric without threshold.
    """
    return _first(results, primary), _second(results, primary, ranking)


def _first(results: "Results", primary: Metric) -> str:
    rows = _on(primary, results)
    baseline, rare = results.baseline, results.class_names[results.rare_class]
    if not rows:
        return f"Only {baseline} was asked for, so there is nothing to compare (positive class: {rare})."
    tested = [row for row in rows if row.verdict != "not enough runs"]
    if not tested:
        return f"No method can be told from {baseline} in {primary.label} (positive class: {rare}): {_why(results)}."
    facts = f"positive class: {rare}; {_runs(tested)}"
    if better := with_verdict("better", tested):
        facts += "; 95 % intervals in brackets"
        return f"Better than {baseline} in {primary.label} ({facts}): {effects(better)}."
    return f"No method is detectably better than {baseline} in {primary.label} ({facts}); {_reach(tested, primary)}."


def _why(results: "Results") -> str:
    scarce = min(results.test_patients)
    if not any(method.n_runs for method in results.methods if method.method == results.baseline):
        return f"no run of {results.baseline} has finished"
    if scarce < FEWEST_PATIENTS:
        name = results.class_names[results.test_patients.index(scarce)]
        found = f"the test images hold {_count(scarce, 'patient')} of class {name}"
        return f"{found}, and fewer than {FEWEST_PATIENTS} cannot show a difference"
    return "a single run of each cannot show one; ask for more seeds or splits"


def _reach(tested: Sequence[Comparison], metric: Metric) -> str:
    """Say how large a difference this study could have missed."""
    least = max(row.detectable for row in tested)
    if least >= metric.bounds[1] - metric.bounds[0]:
        return "these are too few to find a difference of any size"
    return f"a true difference of {least:.3f} would have been found four times in five"


def _second(results: "Results", primary: Metric, ranking: Metric) -> str:
    worse = with_verdict("worse", _on(primary, results))
    parts = [] if primary.name == ranking.name else _agreement(results, primary, ranking)
    if worse:
        parts.append(f"worse than {results.baseline} in {primary.label}: {effects(worse)}")
    parts += [
        f"{m.method} failed in {_count(m.n_failed, 'run')}" for m in results.methods if m.n_failed
    ]
    if results.n_missing:
        parts.append(f"{results.n_missing} of {_count(results.n_asked, 'run')} not finished yet")
    text = "; ".join(parts or ["every run finished"])
    return f"{text[0].upper()}{text[1:]}."


def _agreement(results: "Results", primary: Metric, ranking: Metric) -> list[str]:
    """Tell what the metric without threshold says about each method, the gains of the primary metric first."""
    rows, gains = _on(ranking, results), _on(primary, results)
    gained = {row.method for row in with_verdict("better", gains)}
    lost = {row.method for row in with_verdict("worse", gains)}
    better, same = with_verdict("better", rows), with_verdict("no detectable difference", rows)
    worse = [row for row in with_verdict("worse", rows) if row.method not in lost]
    clauses = []
    if confirmed := [row for row in better if row.method in gained]:
        clauses.append(f"confirms {effects(confirmed)}")
    if shifted := [row for row in same + worse if row.method in gained]:
        clauses.append(
            f"does not confirm {effects(shifted)}: a gain that may be only a shift of the operating point"
        )
    if others := [row for row in better if row.method not in gained]:
        clauses.append(f"is better with {effects(others)}")
    if worse:
        clauses.append(f"is worse with {effects(worse)}")
    if not clauses and same:
        clauses.append("shows no detectable gain either")
    return [f"{ranking.label}, which no threshold moves, {listed(clauses)}"] if clauses else []


def _on(metric: Metric, results: "Results") -> list[Comparison]:
    return [row for row in results.comparisons if row.metric == metric.name]


def with_verdict(verdict: Word, rows: Sequence[Comparison]) -> list[Comparison]:
    """Select by verdict, largest difference first."""
    return sorted(
        (row for row in rows if row.verdict == verdict), key=lambda row: -abs(row.difference)
    )


def effects(
    rows: Sequence[Comparison], name: Callable[[Comparison], str] = lambda row: row.method
) -> str:
    """Name the first methods with their intervals, and say how many more there are."""
    named = [
        f"{name(r)} {_signed(r.difference)} [{_signed(r.low)}, {_signed(r.high)}]"
        for r in rows[:MOST_NAMED]
    ]
    more = len(rows) - len(named)
    return listed([*named, f"{more} more"] if more else named)


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # + 0.0 turns -0.0 into 0.0


def _runs(rows: Sequence[Comparison]) -> str:
    fewest, most = (pick(row.n_runs for row in rows) for pick in (min, max))
    return (
        _count(most, "paired run")
        if fewest == most
        else f"{fewest} to {_count(most, 'paired run')}"
    )


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'s' * (n != 1)}"


def listed(parts: Sequence[str]) -> str:
    """Write a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
