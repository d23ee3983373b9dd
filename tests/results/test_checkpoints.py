"""Both checkpoint policies of every method, and what is said where they disagree."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.methods.segmentation import build_volume_methods
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import Budget, VolumeBudget
from equipoise.metrics.classification import METRICS as METRIC_RECORDS
from equipoise.results.checkpoints import (
    CheckpointRow,
    checkpoint_rows,
    disagreement,
    policy_in_words,
    policy_of,
    read_checkpoints,
    shift_in_words,
    unknown_in_words,
    write_checkpoints,
)
from equipoise.results.image_tables import summarize
from equipoise.results.records import Results
from equipoise.runs.description import MethodDescription, StudyDescription
from equipoise.runs.run import Run, open_run

WriteRun = Callable[..., Path]
KEPT = {"none": (1.2, 0.0), "gan": (3.5, 0.0), "crt": (3.0, 0.0)}
OTHER = {"none": (1.5, 0.0), "gan": (1.4, 0.0), "crt": (3.0, 0.0)}
METRICS = ("decided_balanced_accuracy", "auroc", "balanced_accuracy")


def with_other_policy(folder: Path, other: Path, methods: Sequence[str]) -> None:
    """Store the scores of another run as those of the other policy of some methods."""
    for method in methods:
        for path in (folder / "cells" / method).glob("*/*/predictions.npz"):
            arrays = dict(np.load(path))
            scores = np.load(other / path.relative_to(folder))
            for part in ("test", "validation"):
                arrays[f"{part}_score_other"] = scores[f"{part}_score"]
            np.savez(path, allow_pickle=False, **arrays)


@pytest.fixture
def two_runs(write_run: WriteRun) -> tuple[Run, Run]:
    """Return a run, and one whose policy is the other one of "none" and "gan"."""
    folder = write_run(KEPT, n_seeds=5, counts=(120, 60))
    other = write_run(OTHER, n_seeds=5, counts=(120, 60), name="other")
    with_other_policy(folder, other, ["none", "gan"])
    return open_run(folder), open_run(other)


def results_of(run: Run) -> Results:
    return summarize(run, n_draws=100)


def test_either_policy_is_what_a_study_with_it_would_show(two_runs: tuple[Run, Run]) -> None:
    run, other = two_runs
    rows = checkpoint_rows(run.images, results_of(run), n_draws=100)
    assert len(rows) == 3 * 2 * 3
    for kept, results in ((1, results_of(run)), (0, results_of(other))):
        words = {judgment.method: judgment.word for judgment in results.judgments}
        summaries = {method.method: method.metrics for method in results.methods}
        for row in rows:
            if row.kept != kept or (row.method == "crt" and not kept):
                continue
            assert row.policy == ("best" if kept else "last")
            summary = summaries[row.method][row.metric]
            assert (row.n_runs, row.mean, row.low, row.high) == (
                5,
                summary.mean,
                summary.low,
                summary.high,
            )
            if row.method == "gan":
                [compared] = [c for c in results.compared_on(row.metric) if c.method == "gan"]
                assert (row.difference, row.difference_low) == (compared.difference, compared.low)
                assert row.word == words["gan"]
    shown = {(row.method, row.kept): row.word for row in rows}
    assert shown["gan", 1] == "better"
    assert shown["gan", 0] == "worse"
    assert shown["none", 1] == shown["none", 0] == ""


def test_a_policy_that_is_not_known_is_not_a_number(two_runs: tuple[Run, Run]) -> None:
    run, _ = two_runs
    rows = checkpoint_rows(run.images, results_of(run), n_draws=100)
    unknown = [row for row in rows if row.method == "crt" and not row.kept]
    assert [row.metric for row in unknown] == list(METRICS)
    for row in unknown:
        assert (row.n_runs, row.word) == (0, "")
        assert np.isnan([row.mean, row.low, row.difference, row.difference_high, row.p_holm]).all()
    assert unknown_in_words(rows).startswith("Not known for crt:")


def test_an_unknown_method_does_not_make_the_family_smaller(write_run: WriteRun) -> None:
    """The same scores under both policies give the same p values, whatever is not known."""
    arms = {"none": (1.2, 0.0), "gan": (1.9, 0.0), "crt": (1.3, 0.0), "smote": (1.3, 0.0)}
    folder = write_run(arms, n_seeds=5, counts=(120, 60))
    with_other_policy(folder, folder, ["none", "gan"])
    run = open_run(folder)
    rows = checkpoint_rows(run.images, results_of(run), n_draws=100)
    p_values = {(row.metric, row.kept): row.p_holm for row in rows if row.method == "gan"}
    for metric in METRICS:
        assert p_values[metric, 0] == pytest.approx(p_values[metric, 1], abs=1e-12)
    assert disagreement(rows, "none", results_of(run).metrics) == ""


def test_old_runs_have_no_table(write_run: WriteRun, tmp_path: Path) -> None:
    run = open_run(write_run(KEPT))
    rows = checkpoint_rows(run.images, results_of(run), n_draws=20)
    write_checkpoints(rows, tmp_path)
    assert rows == read_checkpoints(tmp_path) == []
    assert not (tmp_path / "checkpoints.csv").exists()


def test_rows_survive_the_file(two_runs: tuple[Run, Run], tmp_path: Path) -> None:
    run, _ = two_runs
    rows = checkpoint_rows(run.images, results_of(run), n_draws=50)
    write_checkpoints(rows, tmp_path)
    again = read_checkpoints(tmp_path)
    assert [(row.method, row.word) for row in again] == [(row.method, row.word) for row in rows]
    np.testing.assert_allclose([row.mean for row in again], [row.mean for row in rows], atol=1e-6)


def row_of(method: str, kept: int, word: str, mean: float = 0.8) -> CheckpointRow:
    return CheckpointRow(
        method=method,
        policy="best" if kept else "last",
        kept=kept,
        metric="auroc",
        n_runs=3,
        mean=mean,
        low=0.7,
        high=0.9,
        difference=0.1,
        difference_low=0.0,
        difference_high=0.2,
        p_holm=0.5,
        word=word,
    )


def test_a_disagreement_is_named_and_untested_words_are_not() -> None:
    same = [row_of("a", 1, "better"), row_of("a", 0, "better")]
    untested = [row_of("b", 1, "no variation"), row_of("b", 0, "not enough runs")]
    differ = [row_of("c", 1, "better", 0.8), row_of("c", 0, "no detectable difference", 0.75)]
    unknown = [row_of("d", 1, "better"), replace(row_of("d", 0, ""), mean=np.nan, n_runs=0)]
    assert disagreement([*same, *untested, *unknown], "none", METRIC_RECORDS) == ""
    text = disagreement([*same, *differ], "none", METRIC_RECORDS)
    assert "c would be “no detectable difference”, not “better”" in text
    assert "AUROC +0.100 instead of +0.100" in text
    assert "a would" not in text
    assert "the last weights, averaged" in text
    frozen = disagreement([*same, *differ], "none", METRIC_RECORDS, frozen=True)
    assert "weight decay" in frozen
    assert "averaged" not in frozen
    assert "by -0.050 to +0.000" in shift_in_words([*same, *differ, *unknown], "AUROC")
    assert shift_in_words(unknown, "AUROC") == ""


def described(names: Sequence[str], checkpoint: str) -> list[MethodDescription]:
    budget = Budget(checkpoint=checkpoint, device="cpu")
    methods = []
    for name, pipeline in build_methods(names, budget).items():
        methods.append(MethodDescription(name=name, steps=describe_steps(pipeline, seeds=False)))
    return methods


@pytest.mark.parametrize(
    ("checkpoint", "weights"), [("best", "balanced accuracy"), ("last", "the last weights")]
)
def test_the_policy_of_a_study_is_named(checkpoint: str, weights: str, write_run: WriteRun) -> None:
    study = open_run(write_run(KEPT)).description
    assert policy_in_words(study) == ""
    methods = described(["none", "dcgan", "crt"], checkpoint)
    assert {policy_of(method) for method in methods} == {checkpoint}
    text = policy_in_words(replace(study, methods=tuple(methods)))
    assert text.startswith("Every method keeps")
    assert weights in text


def test_methods_with_different_policies_are_named(write_run: WriteRun) -> None:
    study: StudyDescription = open_run(write_run(KEPT)).description
    methods = (*described(["none"], "best"), *described(["crt"], "last"))
    text = policy_in_words(replace(study, methods=methods))
    assert text.startswith("The methods keep different weights")
    assert "(none)" in text
    assert "(crt)" in text


def test_all_ways_of_segmenting_share_a_policy(write_run: WriteRun) -> None:
    study = open_run(write_run(KEPT)).description
    methods = []
    for name, pipeline in build_volume_methods(
        ["random", "balanced", "cascade", "unet_dice"], VolumeBudget(device="cpu")
    ).items():
        methods.append(MethodDescription(name=name, steps=describe_steps(pipeline, seeds=False)))
    text = policy_in_words(replace(study, methods=tuple(methods)))
    assert text.startswith("Every method keeps")
    assert "mean Dice" in text
