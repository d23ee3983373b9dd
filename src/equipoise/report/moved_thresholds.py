"""What the operating points say, in sentences: is a gain more than a moved threshold?"""

from collections.abc import Iterator, Sequence

from equipoise.experiments.comparison import Comparison
from equipoise.experiments.operating import Operating
from equipoise.metrics.operating import POINTS, RECALLS
from equipoise.report.wording import plural

MOST_NAMED = 5  # methods in one sentence; the tables hold all


def sentences(found: Operating, baseline: str, rare_class: str) -> Iterator[str]:
    """Say which methods differ from the baseline at which operating point; nothing where runs cannot tell."""
    largest, best, corrected = (compared_at(found, p) for p in ("largest", "best_threshold", "corrected"))
    if all(row.verdict == "not enough runs" for row in largest):
        return
    yield (
        f"A method that only moves the threshold should tie with the baseline, {baseline}, once each classifier "
        "uses its own best threshold, or once the class shares that its training pretended are corrected."
    )
    yield f"With the largest probability, {_differing(largest, baseline)}."
    yield f"At their own best thresholds, {_differing(best, baseline)}."
    yield from _moved(_with("better", largest), _with("better", best), baseline)
    yield f"With corrected class shares, {_differing(corrected, baseline)}."
    for recall in RECALLS:
        rows = compared_at(found, f"recall_{recall:g}")
        where = f"At the threshold that found {100 * recall:g} % of {rare_class} in validation"
        yield f"{where}, {_differing(rows, baseline, 'specificity')}."


def compared_at(found: Operating, point: str) -> list[Comparison]:
    """List the comparisons with the baseline at an operating point."""
    metric = f"{point}/{POINTS[point].compared}"
    return [row for row in found.comparisons if row.metric == metric]


def _moved(gained: Sequence[str], kept: Sequence[str], baseline: str) -> Iterator[str]:
    if moved := [name for name in gained if name not in kept]:
        yield (
            f"Of what {_listed(moved)} gained, nothing detectable remains at the best thresholds: "
            f"another threshold for {baseline} may do as well."
        )


def _with(verdict: str, rows: Sequence[Comparison]) -> list[str]:
    """Name the methods with a verdict, the largest difference first."""
    return [row.method for row in sorted(rows, key=lambda row: -abs(row.difference)) if row.verdict == verdict]


def _differing(rows: Sequence[Comparison], baseline: str, measure: str = "balanced accuracy") -> str:
    found = {verdict: _with(verdict, rows) for verdict in ("better", "worse")}
    n = sum(map(len, found.values()))
    if not n:
        return f"no method differs detectably from {baseline} in {measure}"
    parts = "; ".join(f"{verdict}: {_listed(names)}" for verdict, names in found.items() if names)
    return f"{plural(n, 'method differs', 'methods differ')} detectably from {baseline} in {measure} ({parts})"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    shown = [*names[:MOST_NAMED], f"{more} more"] if more > 0 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
