"""What other tests say beside our verdict, and the differences that the study could detect."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise.metrics.classification import METRICS
from equipoise.report.formatting import decimal, interval, known, p_value, sentence_case
from equipoise.report.run_contents import Contents
from equipoise.results.phrases import MOST_NAMED, listed
from equipoise.results.power import (
    ACCURACY,
    SPREADS,
    TARGETS,
    detectable,
    needs,
    obstacle,
    patients_of_run,
    size_of,
)
from equipoise.results.records import RANKING, UNTESTED, Comparison, Results
from equipoise.results.textbook_tests import (
    Opinion,
    contradictions,
    second_opinions,
    unconfirmed,
)

HEADING = "Second opinions, and what this study could find"
ORDER = 30
NAMES = {
    "delong": "DeLong's test",
    "mcnemar": "McNemar's test",
    "wilcoxon": "Wilcoxon's signed rank test",
    "corrected_t": "The corrected t test",
}
WHY = {  # why a test may differ from our verdict
    "delong": "It takes the trained classifiers as they are. That training them again would give "
    "other results is not in it, so it finds differences more easily than our verdict does.",
    "mcnemar": "It counts right answers among all images, most of which are of the common classes: "
    "a method that finds more of the positive class at the price of false alarms can lose here.",
    "wilcoxon": "It treats every run as an independent study, although runs of one split share "
    "their test images, and it uses the order of the differences, not their size.",
    "corrected_t": "It rests on the differences between splits alone: with few splits only large "
    "differences reach it, and it does not use single patients as our verdict does.",
}
NEEDS = {
    "delong": "two test images of every class",
    "mcnemar": "a finished run of both",
    "wilcoxon": "six paired runs",
    "corrected_t": "two splits",
}


@dataclass(frozen=True)
class DetectableDifference:
    """A metric: the difference expected to be detectable, those reached, and seeds needed.

    Attributes:
        label: The metric.
        foretold: Expected before anything was trained.
        reached: Smallest and largest over the methods.
        needs: Seeds needed for each of `TARGETS`.
    """

    label: str
    foretold: str
    reached: str
    needs: Sequence[str]


@dataclass(frozen=True)
class VerdictTable:
    """One metric: for each method our verdict, then that of each other test."""

    label: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Comparison | Opinion]]


@dataclass(frozen=True, kw_only=True)
class SecondOpinionsView:
    """What the template of this section shows."""

    disagreements: Sequence[str]
    sentences: Sequence[str]
    several: str
    groups: Sequence[VerdictTable]
    foretold: str
    targets: Sequence[float]
    reaches: Sequence[DetectableDifference]


def view(contents: Contents) -> SecondOpinionsView | None:
    """Return sentences and tables; None where there is nothing to compare."""
    results = contents.results
    if not any(row.n_runs for row in results.comparisons):
        return None
    opinions = second_opinions(contents.run.images, results.comparisons)
    by_test: dict[tuple[str, str], list[Opinion]] = {}
    for opinion in opinions:
        by_test.setdefault((opinion.test, opinion.metric), []).append(opinion)
    groups = []
    for metric in dict.fromkeys((results.decisive_metric, RANKING, results.primary_metric)):
        groups.append(verdict_table(metric, opinions, results))
    return SecondOpinionsView(
        disagreements=disagreement_sentences(opinions, results),
        sentences=agreement_sentences(list(by_test.values()), results),
        several=several_images_warning(contents),
        groups=groups,
        foretold=foretold(contents),
        targets=TARGETS,
        reaches=reaches(contents),
    )


def disagreement_sentences(opinions: Sequence[Opinion], results: Results) -> list[str]:
    """Return where a test calls a method better or worse and our verdict does not, or vice versa.

    The primary metric at the usual threshold is left out where the verdict does not rest on it.
    """
    headline = (results.decisive_metric, RANKING)
    texts = []
    for opinion in contradictions([item for item in opinions if item.metric in headline]):
        texts.append(
            f"{NAMES[opinion.test]} calls {opinion.method} {opinion.verdict} than "
            f"{opinion.baseline} in {results.metrics[opinion.metric].label} (Holm p "
            f"{p_value(opinion.p_holm)}); our verdict there is “{opinion.ours}”."
        )
    for method, metric, ours in unconfirmed(opinions):
        if metric in headline:
            texts.append(
                f"No other test confirms that {method} is {ours} than {results.baseline} in "
                f"{results.metrics[metric].label}."
            )
    if len(texts) > MOST_NAMED:
        texts = [*texts[:MOST_NAMED], f"{len(texts) - MOST_NAMED} more, in the tables below."]
    return texts


def agreement_sentences(by_test: Sequence[Sequence[Opinion]], results: Results) -> list[str]:
    """Return a sentence on each test with an answer, and one on those that have none."""
    sentences = []
    unanswered: dict[str, list[str]] = {}  # reason -> tests
    for rows in by_test:
        if any(row.verdict not in UNTESTED for row in rows):
            sentences.append(agreement_sentence(rows, results))
            continue
        test = rows[0].test
        reason = f"needs {NEEDS[test]}"
        if all(row.verdict == "no variation" for row in rows):
            reason = "every split shows the same difference"
        name = NAMES[test].replace("The ", "the ")
        label = results.metrics[rows[0].metric].label
        unanswered.setdefault(reason, []).append(f"{name} of {label}")
    if unanswered:
        parts = [f"{listed(tests)} ({reason})" for reason, tests in unanswered.items()]
        sentences.append(f"Without an answer: {'; '.join(parts)}.")
    return sentences


def agreement_sentence(rows: Sequence[Opinion], results: Results) -> str:
    """Return on how many methods a test agrees with our verdict, where it differs, and why."""
    test = rows[0].test
    subject = f"{NAMES[test]} of {results.metrics[rows[0].metric].label}"
    n_agreed = 0
    differing: list[str] = []
    answered: dict[str, list[str]] = {}
    for row in rows:
        if row.agreement == "agrees":
            n_agreed += 1
        elif row.agreement == "differs":
            differing.append(f"{row.method} ({row.verdict} here, {row.ours} by ours)")
        if row.verdict not in UNTESTED:
            answered.setdefault(row.verdict, []).append(row.method)
    n_compared = n_agreed + len(differing)
    if not n_compared:
        answers = []
        for verdict, methods in answered.items():
            answers.append(f"{verdict} for {_first_few(methods, ', ')}")
        return (
            f"{subject} has an answer where our verdict has none ({rows[0].ours}): "
            f"{'; '.join(answers)}. {WHY[test]}"
        )
    first = f"{subject} agrees with our verdict on {n_agreed} of {n_compared} methods"
    if not differing:
        return f"{first}."
    return f"{first}; it differs on {_first_few(differing, '; ')}. {WHY[test]}"


def _first_few(texts: Sequence[str], separator: str) -> str:
    """Join texts, with the number of those beyond `MOST_NAMED`."""
    if len(texts) > MOST_NAMED:
        texts = [*texts[:MOST_NAMED], f"{len(texts) - MOST_NAMED} more"]
    return separator.join(texts)


def verdict_table(metric: str, opinions: Sequence[Opinion], results: Results) -> VerdictTable:
    """Return the verdicts on one metric.

    Accuracy has no table: McNemar's test, which compares it, is shown with the primary metric.
    """
    columns: dict[str, str] = {}
    opinions_in_table: list[Opinion] = []
    for opinion in opinions:
        of_accuracy = opinion.test == "mcnemar" and metric == results.primary_metric
        if opinion.metric == metric or of_accuracy:
            other_metric = "" if opinion.metric == metric else " (accuracy)"
            columns[opinion.test] = f"{NAMES[opinion.test]}{other_metric}"
            opinions_in_table.append(opinion)
    rows: dict[str, list[Comparison | Opinion]] = {}
    for ours in results.comparisons:
        if ours.metric == metric:
            theirs = [item for item in opinions_in_table if item.method == ours.method]
            rows[ours.method] = [ours, *theirs]
    return VerdictTable(sentence_case(results.metrics[metric].label), list(columns.values()), rows)


def several_images_warning(contents: Contents) -> str:
    """Return a warning where patients have several images; otherwise an empty string."""
    dataset = contents.description.dataset
    n_images, n_patients = dataset.n_images, dataset.n_groups
    if n_images == n_patients:
        return ""
    return (
        "DeLong's and McNemar's tests count each image as an independent patient, but the "
        f"{n_images:,} images are of {n_patients:,} patients: their p values can be too small."
    )


def foretold(contents: Contents) -> str:
    """Return what was to be expected before anything was trained, and what was reached."""
    size = size_of(contents.description, patients_of_run(contents.run.images))
    if problem := obstacle(size, contents.class_names):
        return (
            "Before anything was trained it was clear that no method can be distinguished from the "
            f"baseline: {problem}."
        )
    expected = decimal(detectable(size, ACCURACY))
    first = (
        f"Before anything was trained, a true difference of {expected} in "
        f"{METRICS[ACCURACY].label} was expected to be found four times in five."
    )
    reached = reached_difference(ACCURACY, contents)
    return f"{first} With the results of the runs, it is {reached}." if reached else first


def reaches(contents: Contents) -> list[DetectableDifference]:
    """Return the detectable difference in each metric that has a forecast."""
    size = size_of(contents.description, patients_of_run(contents.run.images))
    rows = []
    for metric in SPREADS:
        row = DetectableDifference(
            label=METRICS[metric].label,
            foretold=decimal(detectable(size, metric)),
            reached=reached_difference(metric, contents),
            needs=[need.text for need in needs(size, metric)],
        )
        rows.append(row)
    return rows


def reached_difference(metric: str, contents: Contents) -> str:
    """Return the smallest and the largest detectable difference; empty where none is known.

    If the verdict rests on the metric with every method at its own threshold, they are those.
    """
    if contents.results.decisive_metric == f"decided_{metric}":
        metric = contents.results.decisive_metric
    differences = []
    for row in contents.results.comparisons:
        if row.metric == metric and known(row.detectable):
            differences.append(row.detectable)
    low = min(differences, default=math.nan)
    high = max(differences, default=math.nan)
    return decimal(low) if differences and decimal(low) == decimal(high) else interval(low, high)
