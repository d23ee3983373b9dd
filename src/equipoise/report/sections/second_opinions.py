"""What other tests say beside our verdict, and what the study could find: foretold and reached."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.metrics.classification import METRICS
from equipoise.report.formatting import decimal, interval, known, sentence_case
from equipoise.report.run_contents import Contents
from equipoise.results.phrases import MOST_NAMED
from equipoise.results.power import (
    ACCURACY,
    SPREADS,
    TARGETS,
    detectable,
    needs,
    obstacle,
    size_of,
)
from equipoise.results.records import RANKING, Results
from equipoise.results.textbook_tests import Opinion, second_opinions


@dataclass(frozen=True)
class Reach:
    """One metric: the difference foretold, those reached (smallest to largest over methods), and seeds needed."""

    label: str
    foretold: str
    reached: str
    needs: Sequence[str]


def reaches(c: Contents) -> list[Reach]:
    """Give what could be found in each metric that can be foretold."""
    return [_reach(metric, c) for metric in SPREADS]


def foretold(c: Contents) -> str:
    """Say what was to be expected before anything was trained, and what came of it."""
    if problem := obstacle(size_of(c.description), c.class_names):
        return f"Before anything was trained it was clear that no method can be told from the baseline: {problem}."
    expected, reached = decimal(detectable(size_of(c.description), ACCURACY)), _reached(ACCURACY, c)
    first = (
        f"Before anything was trained, a true difference of {expected} in {METRICS[ACCURACY].label} was expected "
        "to be found four times in five."
    )
    return f"{first} As the runs came out, it is {reached}." if reached else first


def _reach(metric: str, c: Contents) -> Reach:
    size = size_of(c.description)
    return Reach(
        label=METRICS[metric].label,
        foretold=decimal(detectable(size, metric)),
        reached=_reached(metric, c),
        needs=[need.text for need in needs(size, metric)],
    )


def _reached(metric: str, c: Contents) -> str:
    """Write the smallest and the largest difference that was detectable; nothing where none is known."""
    found = [
        row.detectable
        for row in c.results.comparisons
        if row.metric == metric and known(row.detectable)
    ]
    low, high = min(found, default=math.nan), max(found, default=math.nan)
    return decimal(low) if found and decimal(low) == decimal(high) else interval(low, high)


HEADING = "Second opinions, and what this study could find"
ORDER = 30
NAMES = {
    "delong": "DeLong's test",
    "mcnemar": "McNemar's test",
    "wilcoxon": "Wilcoxon's signed rank test",
    "corrected_t": "The corrected t test",
}
WHY = {
    "delong": "It takes the trained classifiers as they are and does not see that another training would have come "
    "out otherwise, so it is surer than ours.",
    "mcnemar": "It counts right answers among all images, most of which are of the common classes: a method that "
    "finds more of the rare class at the price of false alarms can lose here.",
    "wilcoxon": "It counts every run as a study of its own, although runs of one split share their test images, "
    "and it uses the order of the differences, not their size.",
    "corrected_t": "It rests on the differences of the splits alone: with few splits only large differences "
    "convince it, and it does not look at single patients as ours does.",
}
NEEDS = {
    "delong": "two test images of every class",
    "mcnemar": "a finished run of both",
    "wilcoxon": "six paired runs",
    "corrected_t": "two splits",
}


def view(contents: Contents) -> dict[str, Any] | None:
    """Give sentences and tables; None where there is nothing to compare."""
    results = contents.results
    if not results.comparisons:
        return None
    opinions = second_opinions(contents.run.images, results.comparisons)
    return {
        "sentences": [_sentence(rows) for rows in _by_test(opinions).values()],
        "several": _several(contents),
        "groups": [
            _group(name, opinions, results)
            for name in dict.fromkeys((results.primary_metric, RANKING))
        ],
        "foretold": foretold(contents),
        "targets": TARGETS,
        "reaches": reaches(contents),
    }


def _by_test(opinions: Sequence[Opinion]) -> dict[tuple[str, str], list[Opinion]]:
    rows: dict[tuple[str, str], list[Opinion]] = {}
    for opinion in opinions:
        rows.setdefault((opinion.test, opinion.metric), []).append(opinion)
    return rows


def _sentence(rows: Sequence[Opinion]) -> str:
    """Say on how many methods a test agrees with our verdict, where it does not, and why that may be."""
    subject = f"{NAMES[rows[0].test]} of {METRICS[rows[0].metric].label}"
    answered = [row for row in rows if row.agreement != "no answer"]
    if not answered:
        return f"{subject} has no answer: it needs {NEEDS[rows[0].test]}, and our own verdict enough runs."
    agreed = sum(row.agreement == "agrees" for row in answered)
    first = f"{subject} agrees with our verdict on {agreed} of {len(answered)} methods"
    differing = [row for row in answered if row.agreement == "differs"]
    if not differing:
        return f"{first}."
    return f"{first}; it differs on {'; '.join(_difference(differing))}. {WHY[rows[0].test]}"


def _difference(rows: Sequence[Opinion]) -> Iterator[str]:
    for row in rows[:MOST_NAMED]:
        yield f"{row.method} ({row.verdict} here, {row.ours} by ours)"
    if len(rows) > MOST_NAMED:
        yield f"{len(rows) - MOST_NAMED} more"


def _several(c: Contents) -> str:
    """Warn where patients have several images."""
    n_images, n_patients = c.description.dataset.n_images, c.description.dataset.n_groups
    if n_images == n_patients:
        return ""
    return (
        f"DeLong's and McNemar's tests count each image as a patient of its own, but the {n_images:,} images are "
        f"of {n_patients:,} patients: their p values can be too small."
    )


def _group(metric: str, opinions: Sequence[Opinion], results: Results) -> dict[str, Any]:
    """Lay out one metric: for each method our verdict, then that of each test that was held against it."""
    mcnemar = (
        metric == results.primary_metric
    )  # accuracy is neither metric, and is held against the primary one
    beside = [o for o in opinions if o.metric == metric or (mcnemar and o.test == "mcnemar")]
    columns = {
        o.test: NAMES[o.test] + (" (accuracy)" if o.metric != metric else "") for o in beside
    }
    ours = [row for row in results.comparisons if row.metric == metric]
    return {
        "label": sentence_case(METRICS[metric].label),
        "columns": list(columns.values()),
        "rows": {row.method: [row, *(o for o in beside if o.method == row.method)] for row in ours},
    }
