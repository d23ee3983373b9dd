"""The first sentence of a study of volumes: every branch, by the numbers and names it states."""

from dataclasses import replace
from typing import get_args

import pytest

from equipoise.experiments.region_metrics import region_metrics
from equipoise.results.records import Comparison, Results, VerdictWord
from equipoise.results.volume_verdict import VolumeDesign, volume_sentences

DESIGN = VolumeDesign(n_patients=24, n_folds=6, n_seeds=3, leaves_one_out=False)
ROW = Comparison(
    method="balanced",
    baseline="random",
    metric="mean_dice",
    difference=0.05,
    low=0.01,
    high=0.09,
    p=0.01,
    p_holm=0.04,
    verdict="better",
    detectable=0.06,
    n_runs=72,
)
NAN = float("nan")


def results(*rows: Comparison) -> Results:
    return Results(
        task="segmentation",
        metrics=region_metrics(["whole"]),
        methods=(),
        comparisons=rows,
        verdict=("", ""),
        failures=(),
        class_names=("healthy", "tumor"),
        rare_class=1,
        baseline="random",
        primary_metric="mean_dice",
        decisive_metric="mean_dice",
        n_splits=6,
        test_patients=(24,),
        n_requested=36,
        n_missing=0,
    )


def untested(word: VerdictWord = "not enough runs") -> Results:
    row = replace(ROW, low=NAN, high=NAN, p=NAN, p_holm=NAN, detectable=NAN, verdict=word)
    return results(row, replace(row, metric="dice_whole"))


def test_it_names_the_unit_and_the_effect() -> None:
    first, _ = volume_sentences(results(ROW), DESIGN)
    for part in ("24 test patients in 6 folds, 3 seeds", "balanced +0.050 [+0.010, +0.090]"):
        assert part in first
    assert first.startswith("Better than random in mean Dice")


def test_it_says_what_would_have_been_found() -> None:
    row = replace(ROW, verdict="no detectable difference")
    first, second = volume_sentences(results(row), DESIGN)
    assert "0.060" in first
    assert "No region" in second


def test_leave_one_out_is_named() -> None:
    first, _ = volume_sentences(
        results(ROW), replace(DESIGN, n_patients=4, n_folds=4, leaves_one_out=True)
    )
    assert "4 test patients, one in each fold" in first


def test_one_split_speaks_of_these_patients_only() -> None:
    first, _ = volume_sentences(results(ROW), replace(DESIGN, n_folds=1))
    assert "for networks trained on these patients" in first
    first, _ = volume_sentences(results(ROW), DESIGN)
    assert "these patients" not in first


@pytest.mark.parametrize(
    ("design", "fix"),
    [
        (replace(DESIGN, n_folds=2), "5 folds"),
        (replace(DESIGN, n_folds=1, n_seeds=1), "more seeds"),
        (replace(DESIGN, n_patients=2, n_folds=2), "3 patients"),
        (DESIGN, "3 folds that both have finished"),
    ],
)
def test_what_cannot_be_told_has_a_reason_and_a_fix(design: VolumeDesign, fix: str) -> None:
    first, second = volume_sentences(untested(), design)
    assert first.startswith("No method can be distinguished from random in mean Dice")
    assert fix in first
    assert "detectable" not in second


def test_the_same_difference_everywhere_is_no_finding() -> None:
    first, second = volume_sentences(untested("no variation"), DESIGN)
    assert "the same in every patient" in first
    assert "better" not in first + second
    assert "no variation" in get_args(VerdictWord)
