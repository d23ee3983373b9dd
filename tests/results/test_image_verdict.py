"""The two sentences of the verdict agree with the tables."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from equipoise.metrics.classification import METRICS
from equipoise.results.image_tables import summarize
from equipoise.results.image_verdict import sentences
from equipoise.results.records import Results
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
EQUAL = {"none": (1.2, -1.0), "other": (1.2, -1.02)}
ARMS = {"none": (1.2, -1.0), "shifted": (1.2, 0.0), "separating": (2.6, -1.0), "bad": (0.2, -1.0)}
EFFECT = r"[+-]0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\]"


def results_of(folder: Path) -> Results:
    return summarize(open_run(folder), n_draws=200)


def test_gains_losses_and_a_mere_shift(write_run: WriteRun) -> None:
    first, second = results_of(write_run(ARMS, n_splits=3, counts=(150, 60))).verdict
    basis = r"\(positive class: class-1; 9 paired runs; 95 % intervals in brackets\)"
    assert re.fullmatch(
        rf"Better than none .*{basis}: "
        rf"separating {EFFECT} and shifted {EFFECT}\.",
        first,
    )
    assert re.fullmatch(
        rf"AUROC, .* confirms separating {EFFECT} .*not confirm shifted "
        r"\+0\.000: .* operating point; "
        rf"worse than none in balanced accuracy: bad {EFFECT}\.",
        second,
    )


def test_many_gains_are_counted_behind_the_first_five(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.0), **{f"arm-{i}": (2.6, -1.0) for i in range(8)}}
    first, _ = results_of(write_run(arms, n_splits=3, counts=(150, 60))).verdict
    assert len(re.findall(rf"arm-\d {EFFECT}", first)) == 5
    assert first.endswith(" and 3 more.")


def test_no_detectable_gain_says_how_large_a_one_could_have_been_found(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL))
    least = results.comparisons[0].detectable
    first, second = results.verdict
    basis = r"balanced accuracy \(positive class: class-1; 3 paired runs\)"
    assert re.fullmatch(rf"No method .*better than none in {basis}; .* {least:.3f} .*\.", first)
    assert re.fullmatch(r"AUROC, .*no detectable gain.*\.", second)


def test_a_gain_in_auroc_alone_is_named(write_run: WriteRun) -> None:
    arms = {"none": (0.8, -6.0), "separating": (3.0, -9.0)}  # both call everything the common class
    first, second = results_of(write_run(arms, n_splits=3)).verdict
    assert first.startswith("No method")
    assert "true difference" not in first  # both are constant: nothing could be found
    assert re.fullmatch(rf"AUROC, .* better with separating {EFFECT}\.", second)


def test_a_loss_in_auroc_behind_an_equal_primary_metric_is_named(write_run: WriteRun) -> None:
    arms = {"none": (3.0, -9.0), "blurring": (0.8, -6.0)}
    _, second = results_of(write_run(arms, n_splits=3)).verdict
    assert re.fullmatch(rf"AUROC, .* worse with blurring {EFFECT}\.", second)


def test_auroc_as_the_primary_metric_is_named_once(write_run: WriteRun) -> None:
    first, second = results_of(write_run(ARMS, n_splits=3, primary_metric="auroc")).verdict
    assert re.fullmatch(rf"Better than none in AUROC \(.*\): separating {EFFECT}\.", first)
    assert re.fullmatch(rf"Worse than none in AUROC: bad {EFFECT}\.", second)


def test_one_run_is_not_enough(write_run: WriteRun) -> None:
    first, second = results_of(write_run(EQUAL, n_seeds=1)).verdict
    assert re.fullmatch(
        r"No method .*from none in balanced accuracy \(positive class: class-1\): "
        r"a single run .*more seeds or splits\.",
        first,
    )
    assert second == "Every run finished."


def test_too_few_patients_are_named(write_run: WriteRun) -> None:
    first, _ = results_of(write_run(ARMS, counts=(60, 4))).verdict
    assert re.fullmatch(
        r"No method .*from none in balanced accuracy \(positive class: class-1\): "
        r".* 4 patients of class class-1, .*fewer than 6 .*\.",
        first,
    )


def test_too_few_runs_to_find_a_difference_of_any_size(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL))
    blind = replace(
        results, comparisons=tuple(replace(row, detectable=1.2) for row in results.comparisons)
    )
    first, _ = sentences(blind, METRICS["balanced_accuracy"], METRICS["auroc"])
    assert re.search(r"\(positive class: class-1; 3 paired runs\); .*too few .*\.$", first)


def test_a_baseline_without_a_finished_run_is_the_reason(write_run: WriteRun) -> None:
    first, second = results_of(
        write_run(EQUAL, failed=[("none", "split-0", seed) for seed in range(3)])
    ).verdict
    assert first.endswith("no run of none has finished.")
    assert second == "None failed in 3 runs."


def test_the_baseline_alone(write_run: WriteRun) -> None:
    first, _ = results_of(write_run({"none": (1.2, -1.0)})).verdict
    assert re.fullmatch(r"Only none .*\(positive class: class-1\)\.", first)


def test_failed_and_missing_runs_are_named(write_run: WriteRun) -> None:
    folder = write_run(
        {**EQUAL, "third": (1.2, -1.0)},
        failed=[("other", "split-0", 0)],
        missing=[("third", "split-0", 2)],
        n_seeds=4,
    )
    first, second = results_of(folder).verdict
    assert "; 3 paired runs)" in first
    assert re.search(r"; other failed in 1 run; 1 of 12 runs .*\.$", second)


def test_runs_that_differ_between_methods_are_named(write_run: WriteRun) -> None:
    folder = write_run({**EQUAL, "third": (1.2, -1.0)}, failed=[("other", "split-0", 0)])
    assert "2 to 3 paired runs" in results_of(folder).verdict[0]
