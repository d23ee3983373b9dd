"""The word of every combination of findings."""

import pytest

from equipoise.results.judgments import judge, judged
from equipoise.results.records import Comparison, Results, VerdictWord

SAME: VerdictWord = "no detectable difference"


def row(metric: str, verdict: VerdictWord, method: str = "smote", size: float = 0.1) -> Comparison:
    return Comparison(
        method=method,
        baseline="none",
        metric=metric,
        difference=size,
        low=0.0,
        high=0.2,
        p=0.5,
        p_holm=0.5,
        verdict=verdict,
        detectable=0.1,
        n_runs=3,
    )


def results_of(*rows: Comparison, decisive: str = "decided_balanced_accuracy") -> Results:
    return Results(
        methods=(),
        comparisons=rows,
        verdict=("", ""),
        failures=(),
        class_names=("a", "b"),
        rare_class=1,
        baseline="none",
        primary_metric="balanced_accuracy" if decisive != "auroc" else "auroc",
        decisive_metric=decisive,
        n_splits=3,
        test_patients=(9, 9),
        n_requested=6,
        n_missing=0,
    )


@pytest.mark.parametrize(
    ("own", "ranking", "usual", "word"),
    [
        ("better", SAME, SAME, "better"),
        ("better", "better", "better", "better"),
        ("better", "worse", "better", "mixed"),
        ("worse", "better", SAME, "mixed"),
        (SAME, "better", SAME, "ranks better"),
        (SAME, "worse", "better", "worse"),
        ("worse", SAME, "better", "worse"),
        (SAME, SAME, "better", "moves the operating point"),
        (SAME, SAME, "worse", "moves the operating point"),
        ("no variation", "no variation", "better", "moves the operating point"),
        ("no variation", "no variation", "no variation", "no variation"),
        ("not enough runs", SAME, SAME, SAME),
        ("not enough runs", SAME, "better", SAME),  # nobody knows what a threshold gives
        ("not enough runs", "not enough runs", "not enough runs", "not enough runs"),
        (SAME, SAME, SAME, SAME),
    ],
)
def test_the_word_of_every_combination(
    own: VerdictWord, ranking: VerdictWord, usual: VerdictWord, word: str
) -> None:
    results = results_of(
        row("decided_balanced_accuracy", own),
        row("auroc", ranking),
        row("balanced_accuracy", usual),
    )
    assert [judgment.word for judgment in judge(results)] == [word]


def test_a_primary_metric_that_ranks_is_judged_once() -> None:
    (judgment,) = judge(results_of(row("auroc", "better"), decisive="auroc"))
    assert (judgment.word, judgment.as_trained) == ("better", None)


def test_the_largest_difference_comes_first() -> None:
    rows = []
    for method, size in (("a", 0.1), ("b", -0.3), ("c", 0.2)):
        rows += [
            row("decided_balanced_accuracy", "worse", method, size),
            row("auroc", SAME, method),
        ]
    judgments = list(judge(results_of(*rows)))
    assert [judgment.method for judgment in judged("worse", judgments)] == ["b", "c", "a"]
    assert judged("better", judgments) == []
