"""Phrases that the verdicts share: lists, counts, effects with their intervals."""

import math
from collections.abc import Callable, Sequence

from equipoise.results.records import Comparison, Results, VerdictWord

MOST_NAMED = 5  # methods in one clause; the tables hold all


def listed(parts: Sequence[str]) -> str:
    """Join parts as "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def plural(n: int, thing: str) -> str:
    """Return a number and the thing counted: "1 run", "3 runs"."""
    return f"{n} {thing}{'s' * (n != 1)}"


def agrees(n: int, one: str, several: str) -> str:
    """Return the verb or pronoun that goes with a number: of 1 `one`, else `several`.

    Example:
        >>> agrees(1, "has", "have"), agrees(0, "has", "have")
        ('has', 'have')
    """
    return one if n == 1 else several


def capitalized(text: str) -> str:
    """Return a text with a capital first letter, and the rest as it is."""
    return f"{text[0].upper()}{text[1:]}"


def with_verdict(verdict: VerdictWord, rows: Sequence[Comparison]) -> list[Comparison]:
    """Select by verdict, largest difference first."""
    selected = [row for row in rows if row.verdict == verdict]
    return sorted(selected, key=lambda row: -abs(row.difference))


def effects(
    rows: Sequence[Comparison], name: Callable[[Comparison], str] = lambda row: row.method
) -> str:
    """Name the first methods with their differences and intervals, and count the rest.

    A difference that has no interval, because runs or patients are too few, stands alone.
    """
    parts = []
    for row in rows[:MOST_NAMED]:
        parts.append(f"{name(row)} {with_interval(row)}")
    if len(rows) > MOST_NAMED:
        parts.append(f"{len(rows) - MOST_NAMED} more")
    return listed(parts)


def with_interval(row: Comparison) -> str:
    """Return a difference and its interval: "+0.031 [+0.012, +0.050]"."""
    difference = _signed(row.difference)
    if not math.isfinite(row.low):
        return difference
    return f"{difference} [{_signed(row.low)}, {_signed(row.high)}]"


def detectable_extent(detectable: Sequence[float], digits: int) -> str:
    """Return the smallest and the largest of several finite differences: "0.021 to 0.048"."""
    low, high = (f"{value:.{digits}f}" for value in (min(detectable), max(detectable)))
    return high if low == high else f"{low} to {high}"


def detectable_in_words(rows: Sequence[Comparison]) -> str:
    """Describe how large a true difference the study would have found.

    Args:
        rows: Comparisons on one metric; those that tested nothing do not count.
    """
    tested = [row.detectable for row in rows if not math.isnan(row.detectable)]
    if not tested:
        return "no difference varies between runs, so that none can be tested"
    if math.isinf(max(tested)):
        return "these are too few to find a difference of any size"
    extent = detectable_extent(tested, 3)
    return f"a true difference of {extent} would have been found four times in five"


def incomplete(results: Results) -> list[str]:
    """Describe which methods failed, and how many cells are missing."""
    failed: dict[int, list[str]] = {}  # number of failed runs -> methods
    for method in results.methods:
        if method.n_failed:
            failed.setdefault(method.n_failed, []).append(method.method)
    parts = []
    for n, methods in failed.items():  # no sentence begins with a name: "none failed" is ambiguous
        each = " each" if len(methods) > 1 else ""
        parts.append(f"failed in {plural(n, 'run')}{each}: {listed(methods)}")
    if results.n_missing:
        requested = plural(results.n_requested, "run")
        parts.append(f"{results.n_missing} of {requested} not finished yet")
    return parts


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # + 0.0 turns -0.0 into 0.0
