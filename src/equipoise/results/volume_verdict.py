"""The verdict of a study of volumes in two plain sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from equipoise.metrics.jackknife import FEWEST
from equipoise.results.comparison import Comparison
from equipoise.results.image_verdict import effects, listed, with_verdict

if TYPE_CHECKING:
    from equipoise.results.image_tables import Results


def sentences(results: "Results", n_seeds: int) -> tuple[str, str]:
    """Say what segments better by the primary metric, and by how much; then what each region says, what failed."""
    return _first(results, n_seeds), _second(results)


def _first(results: "Results", n_seeds: int) -> str:
    metric, baseline = results.metrics[results.primary_metric], results.baseline
    rows = [row for row in results.comparisons if row.metric == metric.name]
    n_patients = results.test_patients[0]
    facts = f"{_count(n_patients, 'test patient')}, {_count(n_seeds, 'seed')}"
    if not rows:
        return f"Only {baseline} was asked for, so there is nothing to compare ({facts})."
    tested = [row for row in rows if row.verdict != "not enough runs"]
    if not tested:
        return (
            f"No method can be told from {baseline} in {metric.label} ({facts}): it takes at least "
            f"{FEWEST} patients whom both have segmented."
        )
    if better := with_verdict("better", tested):
        return f"Better than {baseline} in {metric.label} ({facts}; 95 % intervals in brackets): {effects(better)}."
    reach = max(row.detectable for row in tested)
    found = (
        f"a true difference of {reach:.3f} would have been found four times in five"
        if reach < metric.bounds[1] - metric.bounds[0]
        else "these are too few to find a difference of any size"
    )
    return f"No method is detectably better than {baseline} in {metric.label} ({facts}); {found}."


def _second(results: "Results") -> str:
    names = list(dict.fromkeys(row.metric for row in results.comparisons))
    parts = [part for name in names if (part := _on(name, results))]
    parts += [
        f"{m.method} failed in {_count(m.n_failed, 'run')}" for m in results.methods if m.n_failed
    ]
    if results.n_missing:
        parts.append(f"{results.n_missing} of {_count(results.n_asked, 'run')} not finished yet")
    if not parts:
        return "No region shows a detectable difference." if names else "Every run finished."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _on(name: str, results: "Results") -> str:
    """Say what differs on one metric; on the primary one only what is worse, as the first sentence has the rest."""
    rows = [row for row in results.comparisons if row.metric == name]
    clauses = [_clause("worse", rows)]
    if name != results.primary_metric:
        clauses.insert(0, _clause("better", rows))
    if not (found := [clause for clause in clauses if clause]):
        return ""
    return f"{results.metrics[name].label}: {listed(found)}"


def _clause(verdict: str, rows: Sequence[Comparison]) -> str:
    chosen = with_verdict("better" if verdict == "better" else "worse", rows)
    return f"{verdict} with {effects(chosen)}" if chosen else ""


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'s' * (n != 1)}"
