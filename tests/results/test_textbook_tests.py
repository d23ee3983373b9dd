"""Textbook tests beside our verdict: what they test, and how splits are pooled."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from equipoise.atomic import read_json, write_json
from equipoise.metrics.base import Predictions
from equipoise.metrics.classic_tests import corrected_t, majority_p, mcnemar, signed_ranks
from equipoise.metrics.classification import METRICS
from equipoise.metrics.delong import compare_areas
from equipoise.metrics.statistics import holm
from equipoise.results.image_tables import summarize
from equipoise.results.records import Results, VerdictWord
from equipoise.results.textbook_tests import (
    FILE,
    TESTS,
    Opinion,
    contradictions,
    join_splits,
    pairs_of,
    second_opinions,
    unconfirmed,
    write_second_opinions,
)
from equipoise.runs.csv_records import read_rows
from equipoise.runs.image_run import FinishedCell
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {
    "none": (1.2, -1.0),
    "same": (1.2, -1.0),
    "shifted": (1.2, 0.0),
    "separating": (2.6, -1.0),
    "bad": (0.2, -1.0),
}
RATIO = 0.4


def opinions_of(
    write_run: WriteRun, arms: Any = ARMS, **fields: Any
) -> tuple[Path, Results, list[Opinion]]:
    """Write a run with the sizes of its splits, and apply the tests."""
    folder = write_run(arms, **fields)
    study = read_json(folder / "study.json")
    write_json(
        folder / "study.json",
        {**study, "splits": [{**s, "train": 100, "test": 40} for s in study["splits"]]},
    )
    results = summarize(open_run(folder), n_draws=100)
    return folder, results, second_opinions(open_run(folder).images, results.comparisons)


def opinion_of(opinions: Sequence[Opinion], method: str, test: str, metric: str) -> Opinion:
    return next(o for o in opinions if (o.method, o.test, o.metric) == (method, test, metric))


def cells(folder: Path, method: str, split: str) -> list[FinishedCell]:
    return [
        f
        for f in open_run(folder).images.finished
        if (f.cell.method, f.cell.split) == (method, split)
    ]


def averaged(runs: list[FinishedCell]) -> Predictions:
    return replace(
        runs[0].predictions, y_score=np.mean([run.predictions.y_score for run in runs], axis=0)
    )


def test_every_test_is_applied_to_every_method(write_run: WriteRun) -> None:
    _, results, opinions = opinions_of(write_run, n_splits=3, counts=(60, 24))
    assert {(o.test, o.metric) for o in opinions} == {
        ("delong", "auroc"), ("mcnemar", "accuracy"),
        ("wilcoxon", "decided_balanced_accuracy"), ("wilcoxon", "auroc"),
        ("wilcoxon", "balanced_accuracy"),
        ("corrected_t", "decided_balanced_accuracy"), ("corrected_t", "auroc"),
        ("corrected_t", "balanced_accuracy"),
    }  # fmt: skip
    assert len(opinions) == 8 * 4
    ours = {(row.method, row.metric): row.verdict for row in results.comparisons}
    for o in opinions:
        assert o.ours == ours[o.method, "balanced_accuracy" if o.metric == "accuracy" else o.metric]
        if o.ours == "no variation" and o.test == "corrected_t":
            assert (o.verdict, o.agreement) == ("no variation", "no answer")
            assert math.isnan(o.p)
            continue
        assert o.p <= o.p_holm <= 1
        agreement = "agrees" if o.verdict == o.ours else "differs"
        assert o.agreement == ("no answer" if o.ours == "no variation" else agreement)
    assert opinion_of(opinions, "separating", "delong", "auroc").verdict == "better"
    assert opinion_of(opinions, "bad", "mcnemar", "accuracy").verdict == "worse"
    same = [o for o in opinions if o.method == "same" and o.test != "corrected_t"]
    assert {(o.difference, o.p, o.verdict) for o in same} == {
        (0.0, 1.0, "no detectable difference")
    }


def test_scores_are_averaged_over_seeds_and_splits_joined_by_majority(write_run: WriteRun) -> None:
    folder, _, opinions = opinions_of(write_run, n_splits=3, counts=(30, 12))
    areas, calls = [], []
    for split in ("split-0", "split-1", "split-2"):
        ours, theirs = (averaged(cells(folder, method, split)) for method in ("separating", "none"))
        areas.append(compare_areas(ours, theirs))
        calls.append(mcnemar(*(p.y_score.argmax(axis=1) == p.y_true for p in (ours, theirs))))
    opinion = opinion_of(opinions, "separating", "delong", "auroc")
    p = np.array([area.p for area in areas])
    assert_allclose(
        [opinion.difference, opinion.p],
        [float(np.mean([a.difference for a in areas])), majority_p(p)],
    )
    assert_allclose([opinion.p_low, opinion.p_high], [p.min(), p.max()])
    opinion = opinion_of(opinions, "separating", "mcnemar", "accuracy")
    assert_allclose(
        opinion.difference, np.mean([(c.only_first - c.only_second) / 42 for c in calls])
    )
    assert_allclose(opinion.p, majority_p(np.array([c.p for c in calls])))
    rows = [o for o in opinions if (o.test, o.metric) == ("delong", "auroc")]
    assert_allclose([o.p_holm for o in rows], holm([o.p for o in rows]))


def test_wilcoxon_takes_all_runs_and_the_corrected_t_test_the_splits(write_run: WriteRun) -> None:
    folder, _, opinions = opinions_of(write_run, n_splits=3, counts=(30, 12))
    rule = METRICS["balanced_accuracy"].rule
    differences = np.empty((3, 3))  # (splits, seeds)
    for i in range(3):
        pairs = zip(
            *(cells(folder, name, f"split-{i}") for name in ("shifted", "none")), strict=True
        )
        for seed, (shifted, none) in enumerate(pairs):
            differences[i, seed] = (rule(shifted.predictions) - rule(none.predictions))[0]
    wilcoxon, t = (
        opinion_of(opinions, "shifted", test, "balanced_accuracy")
        for test in ("wilcoxon", "corrected_t")
    )
    assert_allclose(
        [wilcoxon.difference, wilcoxon.p], [differences.mean(), signed_ranks(differences.ravel())]
    )
    assert_allclose(
        [t.difference, t.p],
        [differences.mean(), corrected_t(differences.mean(axis=1), ratio=RATIO)],
    )


def test_at_own_thresholds_the_calls_are_tested(write_run: WriteRun) -> None:
    """A constant shift of the scores moves a threshold by as much, and no call."""
    folder, _, opinions = opinions_of(write_run, n_splits=3, counts=(30, 12))
    run = open_run(folder).images
    rule = METRICS["balanced_accuracy"].rule
    values = {}
    for finished in run.finished:
        decided = run.decided(finished)
        assert decided is not None
        values[finished.cell] = rule(decided)[0]
    differences = []
    for cell, value in values.items():
        if cell.method == "shifted":
            differences.append(value - values[replace(cell, method="none")])
    opinion = opinion_of(opinions, "shifted", "wilcoxon", "decided_balanced_accuracy")
    assert_allclose(opinion.difference, np.mean(differences))
    assert_allclose(opinion.p, signed_ranks(np.array(differences)))
    assert (
        opinion.difference
        < opinion_of(opinions, "shifted", "wilcoxon", "balanced_accuracy").difference
    )


def test_contradictions_come_with_the_opposite_of_our_verdict_first() -> None:
    def opinion(method: str, verdict: VerdictWord, ours: VerdictWord, p: float) -> Opinion:
        return Opinion(
            method=method, baseline="none", test="delong", metric="auroc", difference=0.1, p=p,
            p_low=p, p_high=p, p_holm=p, verdict=verdict, ours=ours, agreement="",
        )  # fmt: skip

    found = contradictions(
        [
            opinion("a", "better", "better", 0.001),
            opinion("b", "no detectable difference", "better", 0.2),
            opinion("c", "worse", "no detectable difference", 0.03),
            opinion("d", "worse", "not enough runs", 0.006),
            opinion("e", "worse", "better", 0.04),
        ]
    )
    assert [o.method for o in found] == ["e", "d", "c"]


def test_what_no_other_test_confirms(write_run: WriteRun) -> None:
    """The verdict on a split of three seeds; DeLong alone answers there, in AUROC."""
    _, _, opinions = opinions_of(write_run, n_splits=1)
    some = [replace(o, ours="better", verdict="not enough runs") for o in opinions]
    assert unconfirmed(some) == []
    some[0] = replace(some[0], verdict="no detectable difference")
    assert unconfirmed(some) == [(some[0].method, some[0].metric, "better")]
    some[0] = replace(some[0], verdict="better")
    assert unconfirmed(some) == []


def test_one_split_of_three_seeds_is_too_little_for_wilcoxon_and_t(write_run: WriteRun) -> None:
    _, _, opinions = opinions_of(write_run, n_splits=1)
    for o in opinions:
        has_answer = o.test in ("delong", "mcnemar")
        assert (o.verdict == "not enough runs") == math.isnan(o.p) == (not has_answer)
        assert (o.agreement == "no answer") == (not has_answer or o.ours == "no variation")
        assert math.isfinite(o.difference)


def test_cells_that_are_not_there_and_classes_that_are_absent(write_run: WriteRun) -> None:
    failed = {("bad", f"split-{i}", seed) for i in range(2) for seed in range(3)}
    counts = {"split-0": (30, 12, 6), "split-1": (30, 12, 0)}
    _, _, opinions = opinions_of(
        write_run, n_splits=2, counts_of=counts, counts=(30, 12, 6), failed=failed
    )
    assert all(math.isnan(o.difference) and math.isnan(o.p) for o in opinions if o.method == "bad")
    assert (
        opinion_of(opinions, "separating", "delong", "auroc").p <= 1
    )  # of the one split that has all classes
    assert math.isnan(opinion_of(opinions, "separating", "corrected_t", "auroc").p)
    assert opinion_of(opinions, "separating", "mcnemar", "accuracy").p <= 1


@pytest.mark.parametrize("missing", [{("none", "split-0", seed) for seed in range(3)}])
def test_without_the_baseline_nothing_is_said(
    write_run: WriteRun, missing: set[tuple[str, str, int]]
) -> None:
    _, _, opinions = opinions_of(write_run, n_splits=1, missing=missing)
    assert {o.agreement for o in opinions} == {"no answer"}


def test_a_split_that_points_the_other_way_does_not_support_the_mean() -> None:
    joined = join_splits([0.5, -0.25, 0.25], [0.01, 0.001, math.nan])
    assert (round(joined.difference, 9), joined.p) == (round(0.5 / 3, 9), (0.01, 1.0))
    assert join_splits([], []).p == ()


def test_equal_methods_are_rarely_called_different(write_run: WriteRun) -> None:
    """Two arms without a true difference, on 60 simulated one-split studies: DeLong, McNemar."""
    rng, alarms = np.random.default_rng(0), 0
    folder, _, _ = opinions_of(
        write_run, {"none": (1.2, 0.0), "other": (1.2, 0.0)}, n_seeds=1, counts=(40, 20)
    )
    finished = pairs_of(open_run(folder).images, "other")["split-0"][0][0]
    for _ in range(60):
        y = finished.predictions.y_true
        pair = []
        for _ in range(2):
            logits = rng.normal(size=(len(y), 2)) + 1.2 * np.eye(2)[y]
            score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            pair.append(replace(finished, predictions=replace(finished.predictions, y_score=score)))
        answers = [
            TESTS[test]({"split-0": [(pair[0], pair[1])]}, METRICS["auroc"], RATIO)
            for test in ("delong", "mcnemar")
        ]
        alarms += sum(answer.p[0] < 0.05 for answer in answers)
    assert stats.binomtest(alarms, 120, 0.05).pvalue > 0.01


def test_the_file_is_the_same_each_time_and_reads_back(write_run: WriteRun) -> None:
    folder, _, opinions = opinions_of(write_run, n_splits=2)
    write_second_opinions(opinions, folder)
    once = (folder / FILE).read_bytes()
    write_second_opinions(opinions, folder)
    assert (folder / FILE).read_bytes() == once
    read = read_rows(folder / FILE, Opinion)
    assert [(o.method, o.test, o.metric, o.agreement) for o in read] == [
        (o.method, o.test, o.metric, o.agreement) for o in opinions
    ]
    assert_allclose([o.p for o in read], [o.p for o in opinions], atol=1e-6)
