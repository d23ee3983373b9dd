"""What to do: the sentence quotes the tables, and never recommends what was not shown."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.gate import GateDecision
from equipoise.metrics.classification import METRICS
from equipoise.metrics.thresholds import best_threshold
from equipoise.results.advice import advise, advise_volumes, advised_thresholds
from equipoise.results.image_tables import summarize
from equipoise.results.own_thresholds import threshold_rows
from equipoise.results.records import Comparison, MethodResult, Results, Summary, VerdictWord
from equipoise.results.release import MethodRelease
from equipoise.runs.image_run import ImageRun
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "shifted": (1.2, 0.0, 0.1), "separating": (2.6, -1.0)}


def swap_validation(first: Path, second: Path) -> None:
    """Swap the validation predictions of two cells."""
    stored = []
    for path in (first, second):
        with np.load(path) as arrays:
            stored.append(dict(arrays))
    for path, ours, theirs in zip((first, second), stored, stored[::-1], strict=True):
        validation = {n: array for n, array in theirs.items() if n.startswith("validation")}
        np.savez(path, allow_pickle=False, **{**ours, **validation})


def opened(folder: Path) -> tuple[Results, ImageRun]:
    run = open_run(folder)
    return summarize(run, n_draws=200), run.images


def test_a_better_method_is_to_be_trained(write_run: WriteRun) -> None:
    results, run = opened(write_run(ARMS, n_splits=3, counts=(150, 60)))
    text = advise(results, run)
    summary = results.methods[2].metrics[results.decisive_metric]
    assert text.startswith("Train with separating and call an image class-1 from a probability of ")
    assert f"{summary.mean:.2f} [{summary.low:.2f}, {summary.high:.2f}]" in text
    assert re.search(
        r"\+0\.\d{3} \[\+0\.\d{3}, \+0\.\d{3}\] over none at its own threshold\.", text
    )


def test_where_nothing_is_better_the_baseline_is_kept(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.5), "shifted": (1.2, 0.5, 0.1)}
    results, run = opened(write_run(arms, n_splits=3, counts=(150, 60)))
    text = advise(results, run)
    thresholds = sorted(
        row.threshold
        for row in threshold_rows(run)
        if row.method == "none" and row.class_name == "class-1"
    )
    assert sorted(advised_thresholds(results, run)) == thresholds
    assert text.startswith("Keep the plain classifier (none) and call an image class-1")
    assert f"{thresholds[4]:.2g} on ({thresholds[0]:.2g} to {thresholds[-1]:.2g}" in text
    largest = max(row.detectable for row in results.compared_on(results.decisive_metric))
    assert f"{largest:.2f} would have been found" in text


def test_a_threshold_that_does_worse_is_not_advised(write_run: WriteRun) -> None:
    arms = {"none": (1.6, 0.0), "other": (1.6, 0.0, 0.3)}
    folder = write_run(arms, n_splits=3, counts=(150, 60))
    for path in folder.glob("cells/*/*/*/predictions.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        score = arrays["validation_score"] ** 4  # its best threshold is far from that of the test
        arrays["validation_score"] = score / score.sum(axis=1, keepdims=True)
        arrays["validation_score"] = arrays["validation_score"] * [0.1, 1.0]
        arrays["validation_score"] /= arrays["validation_score"].sum(axis=1, keepdims=True)
        np.savez(path, allow_pickle=False, **arrays)
    results, run = opened(folder)
    summaries = results.methods[0].metrics
    usual, own = (summaries[name].mean for name in ("balanced_accuracy", results.decisive_metric))
    assert usual > own
    text = advise(results, run)
    assert "decide by its largest probability: balanced accuracy" in text
    assert f"{usual:.2f} [" in text
    assert f"do no better ({own:.2f})" in text


def test_a_coarse_study_says_that_it_has_not_settled_the_question(write_run: WriteRun) -> None:
    results, run = opened(
        write_run({"none": (1.2, -1.0), "other": (1.2, -1.0, 1.0)}, counts=(20, 8), n_seeds=2)
    )
    assert "more patients, splits or seeds" in advise(results, run)


def test_several_classes_are_decided_by_offsets(write_run: WriteRun) -> None:
    results, run = opened(write_run(ARMS, n_splits=3, counts=(150, 60, 30)))
    assert "offsets of thresholds.csv" in advise(results, run)


PASSED = GateDecision(status="passed", reasons=("No near copy among 500.",))
COPIES = GateDecision(status="refused", reasons=("3 of 500 are near copies.",))
NOISE = GateDecision(status="refused", reasons=("They are distinguished in spectrum.",))
UNTESTED = GateDecision(status="not tested", reasons=())


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (None, "do not release them"),
        (
            MethodRelease(privacy=COPIES, quality=NOISE),
            "do not release them: privacy refused (3 of 500",
        ),
        (
            MethodRelease(privacy=PASSED, quality=NOISE),
            "do not release them: quality refused (they are dist",
        ),
        (
            MethodRelease(privacy=UNTESTED, quality=PASSED),
            "do not release them: membership was not tested",
        ),
        (MethodRelease(privacy=PASSED, quality=PASSED), "gain nothing detectable"),
    ],
)
def test_synthetic_images(
    write_run: WriteRun, release: MethodRelease | None, expected: str
) -> None:
    arms = {"none": (1.2, -1.0), "oversampling": (1.2, 0.0, 0.1), "dcgan": (1.2, 0.0, 0.2)}
    folder = write_run(arms, n_splits=3, counts=(150, 60))
    for cell in (folder / "cells" / "dcgan").glob("*/*"):
        np.savez(cell / "synthetic.npz", images=np.zeros((1, 1, 2, 2), np.uint8), labels=np.ones(1))
    run = open_run(folder)
    results = summarize(run, n_draws=100)
    text = advise(results, run.images, {} if release is None else {"dcgan": release})
    assert expected in text
    assert ("release" in text) != (release is not None and release.green)


def test_synthetic_images_that_cost_are_told_apart_from_those_that_gain_nothing(
    write_run: WriteRun,
) -> None:
    arms = {"none": (1.2, -1.0), "oversampling": (3.0, 0.0, 0.1), "dcgan": (0.4, 0.0, 0.2)}
    folder = write_run(arms, n_splits=3, counts=(150, 60))
    for cell in (folder / "cells" / "dcgan").glob("*/*"):
        np.savez(cell / "synthetic.npz", images=np.zeros((1, 1, 2, 2), np.uint8), labels=np.ones(1))
    run = open_run(folder)
    text = advise(summarize(run, n_draws=100), run.images, {})
    assert "do worse than oversampling" in text
    assert "gain nothing" not in text


def test_a_run_without_baseline_gets_no_advice(write_run: WriteRun) -> None:
    failed = [("none", "split-0", seed) for seed in range(3)]
    results, run = opened(write_run(ARMS, failed=failed))
    assert advise(results, run).startswith("Nothing can be advised yet: no run of none")


def test_the_method_is_chosen_on_validation(write_run: WriteRun) -> None:
    arms = {"none": (0.5, -1.0), "good": (2.4, -1.0), "best": (3.0, -1.0)}
    folder = write_run(arms, n_splits=3, counts=(150, 60))
    for path in folder.glob("cells/good/*/*/predictions.npz"):
        swap_validation(path, Path(str(path).replace("/good/", "/best/")))
    results, run = opened(folder)
    assert advise(results, run).startswith("Train with good")


def test_decisions_come_from_validation_images(write_run: WriteRun) -> None:
    _, run = opened(write_run(ARMS, n_splits=2))
    for cell in run.finished:
        decision = run.decisions[cell.cell]
        assert decision is not None
        assert decision.threshold == pytest.approx(best_threshold(cell.validation))
        assert decision.threshold != pytest.approx(best_threshold(cell.predictions))


def volume_results(verdict: VerdictWord, *, detectable: float = 0.03) -> Results:
    metric = METRICS["accuracy"]
    summary = Summary(mean=0.61, sd=0.02, low=0.55, high=0.67, n_runs=3)
    methods = tuple(
        MethodResult(
            method=name,
            n_runs=3,
            n_failed=0,
            metrics={metric.name: summary},
            per_class=(),
            confusion=np.zeros((0, 0), dtype=np.int64),
            seconds={},
            peak_memory_mb=1.0,
        )
        for name in ("random", "balanced")
    )
    row = Comparison(
        method="balanced",
        baseline="random",
        metric=metric.name,
        difference=0.04,
        low=0.01,
        high=0.07,
        p=0.01,
        p_holm=0.01,
        verdict=verdict,
        detectable=detectable,
        n_runs=3,
    )
    return Results(
        methods=methods,
        comparisons=(row,),
        verdict=("", ""),
        failures=(),
        class_names=("healthy", "tumor"),
        rare_class=1,
        baseline="random",
        primary_metric=metric.name,
        decisive_metric=metric.name,
        n_splits=5,
        test_patients=(20,),
        n_requested=6,
        n_missing=0,
        task="segmentation",
        metrics={metric.name: metric},
        headline=(metric.name,),
    )


def test_advice_about_volumes() -> None:
    better = advise_volumes(volume_results("better"))
    assert better.startswith("Train with balanced: accuracy 0.61 [0.55, 0.67], +0.040 [")
    equal = advise_volumes(volume_results("no detectable difference"))
    assert equal.startswith("Keep random: accuracy 0.61")
    assert "0.030 would have been found" in equal
    coarse = advise_volumes(volume_results("no detectable difference", detectable=0.3))
    assert "more patients, folds" in coarse
    assert "more patients" not in equal
    untested = advise_volumes(volume_results("not enough runs", detectable=math.nan))
    assert "cannot be told" in untested
