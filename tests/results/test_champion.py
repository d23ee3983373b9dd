"""Synthetic images against the cheap controls: the chosen method, its opponents, the sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise.results.bootstrap_scores import score
from equipoise.results.champion import hold_contest
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
    decisive = [row for row in contest.rows if row.metric == "balanced_accuracy"]
    assert [row.verdict for row in decisive] == ["better", "better"]
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
    assert "it does beat" not in contest.sentence
    assert [row.verdict for row in contest.rows[:2]] == ["no variation", "worse"]


def test_beating_a_weak_control_is_not_beating_all(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.0), "oversampling": (3.0, 0.0), "crt": (0.2, 0.0), "gan": (3.0, 0.0)}
    folder = write_run(arms, n_seeds=5, counts=(120, 60))
    add_images(folder, "gan")
    contest = contest_of(folder)
    assert contest is not None
    assert "do not detectably beat every" in contest.sentence
    assert "it does beat crt" in contest.sentence


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
