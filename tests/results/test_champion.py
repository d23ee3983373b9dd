"""Synthetic images against the cheap controls: the chosen method, its opponents, the sentence."""

import re
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest

from equipoise.metrics.statistics import holm
from equipoise.results.bootstrap_scores import score
from equipoise.results.champion import CHOSEN, choose, hold_contest
from equipoise.results.records import Contest
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def add_images(folder: Path, *methods: str) -> None:
    for method in methods:
        for cell in (folder / "cells" / method).glob("*/*"):
            np.savez(
                cell / "synthetic.npz", images=np.zeros((1, 1, 2, 2), np.uint8), labels=np.ones(1)
            )


def contest_of(folder: Path) -> Contest | None:
    run = open_run(folder).images
    return hold_contest(run, score(run, n_draws=200))


def test_the_best_on_validation_meets_every_control(write_run: WriteRun) -> None:
    arms = {
        "none": (1.2, -1.0),
        "oversampling": (1.2, 0.0),
        "crt": (1.3, 0.0),
        "weak": (0.3, 0.0),
        "gan": (3.5, 0.0),
    }
    folder = write_run(arms, n_seeds=5, counts=(120, 60))
    add_images(folder, "gan", "weak")
    contest = contest_of(folder)
    assert contest is not None
    assert (contest.champion, contest.controls, contest.n_challengers) == (
        "gan",
        ("oversampling", "crt"),
        2,
    )
    assert (contest.chosen, contest.basis) == ({"gan": 5}, "other seeds")
    decisive = [row for row in contest.rows if row.metric == "decided_balanced_accuracy"]
    assert [(row.method, row.verdict) for row in decisive] == [("gan", "better")] * 2
    assert [row.metric for row in contest.rows[2:]] == ["auroc", "auroc"]
    assert "beat every cheap control" in contest.sentence


def test_a_tie_is_no_gain_and_a_loss_is_shown(write_run: WriteRun) -> None:
    folder = write_run(
        {"none": (1.2, -1.0), "oversampling": (1.2, 0.0), "crt": (4.0, 0.0), "gan": (1.2, 0.0)}
    )
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert "do not detectably beat every" in contest.sentence
    assert "the only such arm" in contest.sentence
    assert "it gains" not in contest.sentence
    assert [row.verdict for row in contest.rows[:2]] == ["no variation", "worse"]


def test_doing_worse_than_all_controls_is_said(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.0), "oversampling": (4.0, 0.0), "crt": (4.2, 0.0), "gan": (0.6, 0.0)}
    folder = write_run(arms, n_seeds=5, counts=(120, 60))
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert {row.verdict for row in contest.rows} == {"worse"}
    assert "worse than every cheap control" in contest.sentence


def test_beating_a_weak_control_is_not_beating_all(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.0), "oversampling": (3.0, 0.0), "crt": (0.2, 0.0), "gan": (3.0, 0.0)}
    folder = write_run(arms, n_seeds=5, counts=(120, 60))
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert "do not detectably beat every" in contest.sentence
    assert re.search(r"; it gains \+0\.\d{3} \[.*\] over crt\.$", contest.sentence)


def test_the_test_images_have_no_say_in_the_choice(write_run: WriteRun) -> None:
    folder = write_run(
        {"none": (1.2, 0.0), "oversampling": (1.2, 0.0), "one": (1.0, 0.0), "two": (2.0, 0.0)}
    )
    add_images(folder, "one", "two")
    for cell in (folder / "cells" / "one").glob("*/*"):
        with np.load(cell / "predictions.npz") as stored:
            arrays = dict(stored)
        arrays["test_score"] = np.eye(2)[
            arrays["test_true"]
        ]  # perfect on the test, and nowhere else
        np.savez(cell / "predictions.npz", allow_pickle=False, **arrays)
    contest = contest_of(folder)
    assert contest is not None
    assert contest.champion == "two"


def rewrite(path: Path, part: str, right: bool) -> None:
    """Make a cell perfect, or wrong everywhere, on its test or its validation images."""
    with np.load(path) as stored:
        arrays = dict(stored)
    truth = arrays[f"{part}_true"]
    arrays[f"{part}_score"] = np.eye(2)[truth if right else 1 - truth].astype(np.float32)
    np.savez(path, allow_pickle=False, **arrays)


def predictions_of(folder: Path, method: str, split: int, seed: int) -> Path:
    return folder / f"cells/{method}/split-{split}/seed-{seed}/predictions.npz"


@pytest.fixture
def two_generators(write_run: WriteRun) -> Callable[..., Path]:
    """Write a run of two generators that are wrong on all validation images but some."""

    def write(right: Collection[tuple[str, int, int]], **size: int) -> Path:
        arms = {"none": (1.2, 0.0), "crt": (1.2, 0.0), "one": (1.2, 0.0), "two": (1.5, 0.0)}
        folder = write_run(arms, **size)
        add_images(folder, "one", "two")
        for method in ("one", "two"):
            for split in range(size["n_splits"]):
                for seed in range(size["n_seeds"]):
                    path = predictions_of(folder, method, split, seed)
                    rewrite(path, "validation", (method, split, seed) in right)
        return folder

    return write


def test_a_training_has_no_say_in_its_own_choice(two_generators: Callable[..., Path]) -> None:
    folder = two_generators([("one", 0, 0), ("two", 0, 1), ("two", 1, 1)], n_splits=2, n_seeds=2)
    choice = choose(open_run(folder).images)
    assert choice.basis == "other seeds"
    # Seed 0 is chosen by seed 1 and the reverse; equal ones (split 1, seed 1) leave the first.
    assert choice.methods == {
        ("split-0", 0): "two",
        ("split-0", 1): "one",
        ("split-1", 0): "two",
        ("split-1", 1): "one",
    }


def test_the_chosen_cell_of_each_run_is_compared(two_generators: Callable[..., Path]) -> None:
    folder = two_generators(
        [("one", 0, 0), ("two", 0, 1), ("two", 1, 1), ("two", 1, 0)], n_splits=2, n_seeds=2
    )
    run = open_run(folder).images
    scores = score(run, n_draws=200)
    contest = hold_contest(run, scores)
    assert contest is not None
    assert (contest.champion, contest.chosen) == ("two", {"one": 1, "two": 3})
    assert {row.method for row in contest.rows} == {CHOSEN}
    assert "two in 3 of 4 runs and one in 1" in contest.sentence
    values = scores.values["auroc"].reshape(4, 2, 2)  # none, crt, one, two; splits; seeds
    chosen = np.array([[values[3, 0, 0], values[2, 0, 1]], values[3, 1]])
    auroc = next(row for row in contest.rows if row.metric == "auroc")
    assert auroc.difference == pytest.approx(float((chosen - values[1]).mean()))


def test_with_a_single_seed_the_other_splits_choose_without_the_tested_patients(
    two_generators: Callable[..., Path],
) -> None:
    folder = two_generators([("one", 0, 0), ("two", 1, 0)], n_splits=2, n_seeds=1)
    choice = choose(open_run(folder).images)
    assert choice.basis == "other splits"
    assert choice.methods == {("split-0", 0): "two", ("split-1", 0): "one"}
    # Split 0 tests all patients with whom split 1 validates, so that nothing chooses: the first.
    with np.load(predictions_of(folder, "none", 1, 0)) as stored:
        validation_patients = stored["validation_groups"]
    for method in ("none", "crt", "one", "two"):
        path = predictions_of(folder, method, 0, 0)
        with np.load(path) as stored:
            arrays = dict(stored)
        n = min(len(validation_patients), len(arrays["test_groups"]))
        arrays["test_groups"][:n] = validation_patients[:n]
        np.savez(path, allow_pickle=False, **arrays)
    assert choose(open_run(folder).images).methods["split-0", 0] == "one"


def test_with_a_single_run_its_own_validation_chooses(two_generators: Callable[..., Path]) -> None:
    choice = choose(open_run(two_generators([("two", 0, 0)], n_splits=1, n_seeds=1)).images)
    assert (choice.basis, choice.methods) == ("own", {("split-0", 0): "two"})


def test_a_generator_without_a_finished_cell_is_not_chosen_there(write_run: WriteRun) -> None:
    arms = {"none": (1.2, 0.0), "crt": (1.2, 0.0), "one": (0.3, 0.0), "two": (3.5, 0.0)}
    folder = write_run(arms, failed=[("two", "split-0", 1)], missing=[("one", "split-0", 2)])
    add_images(folder, "one", "two")
    methods = choose(open_run(folder).images).methods
    assert methods == {("split-0", 0): "two", ("split-0", 1): "one", ("split-0", 2): "two"}


def test_the_best_brier_score_is_the_lowest(write_run: WriteRun) -> None:
    arms = {"none": (1.2, 0.0), "crt": (1.2, 0.0), "one": (0.3, 0.0), "two": (3.5, 0.0)}
    folder = write_run(arms, primary_metric="brier")
    add_images(folder, "one", "two")
    contest = contest_of(folder)
    assert contest is not None
    assert contest.champion == "two"


def test_the_rows_of_both_metrics_are_one_family(write_run: WriteRun) -> None:
    arms = {"none": (1.2, 0.0), "crt": (1.2, 0.0, 0.3), "gan": (1.5, 0.0, 0.3)}
    folder = write_run(arms, n_seeds=4)
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert [row.p_holm for row in contest.rows] == pytest.approx(
        holm([row.p for row in contest.rows])
    )


def test_without_generator_or_control_there_is_no_contest(write_run: WriteRun) -> None:
    alone = write_run({"none": (1.2, 0.0), "oversampling": (1.2, 0.0)}, name="alone")
    assert contest_of(alone) is None
    unopposed = write_run({"none": (1.2, 0.0), "gan": (1.2, 0.0)}, name="unopposed")
    add_images(unopposed, "gan")
    assert contest_of(unopposed) is None


def test_other_arms_are_controls_where_no_strong_one_is(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.2, 0.0), "focal": (1.2, 0.0), "gan": (1.2, 0.0)})
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert contest.controls == ("focal",)
