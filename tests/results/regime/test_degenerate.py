"""Scores that do not vary, and thresholds that call everything the same, told from each other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.metrics.base import Predictions
from equipoise.results.image_tables import summarize
from equipoise.results.regime.degenerate import (
    LEAST_SPREAD,
    constant_scores,
    one_class_called,
    spread_of_scores,
)
from equipoise.runs.run import Run, open_run

WriteRun = Callable[..., Path]


def with_scores(folder: Path, method: str, change: Callable[[Any], Any], *, seeds: str) -> Run:
    """Change the test scores of the rare class of some cells of a method."""
    for path in (folder / "cells" / method).glob(f"*/{seeds}/predictions.npz"):
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        rare = change(arrays["test_score"][:, 1])
        arrays["test_score"] = np.stack([1 - rare, rare], axis=1)
        np.savez(path, allow_pickle=False, **arrays)
    return open_run(folder)


@given(prior=st.floats(0.001, 0.5), spread=st.floats(0.2, 3.0), seed=st.integers(0, 2**16))
def test_the_spread_does_not_depend_on_the_level_of_the_scores(
    prior: float, spread: float, seed: int
) -> None:
    labels = np.repeat([0, 1], [30, 10])
    log_odds = spread * np.random.default_rng(seed).normal(size=40)
    spreads = []
    for level in (0.0, np.log(prior / (1 - prior))):
        rare = 1 / (1 + np.exp(-(log_odds + level)))
        scores = np.stack([1 - rare, rare], axis=1)
        predictions = Predictions(y_true=labels, y_score=scores, positive=1)
        spreads.append(spread_of_scores(predictions))
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-6)


def test_a_good_classifier_of_a_very_rare_class_is_not_constant() -> None:
    labels = np.zeros(1000, dtype=np.int64)
    labels[:2] = 1
    rare = np.where(labels == 1, 0.8, 0.001)
    predictions = Predictions(y_true=labels, y_score=np.stack([1 - rare, rare], axis=1), positive=1)
    assert spread_of_scores(predictions) > 3


def test_healthy_methods_are_not_constant(write_run: WriteRun) -> None:
    folder = write_run({"none": (0.8, -2.0), "other": (2.0, 0.0)}, n_splits=2)
    run = open_run(folder)
    assert not list(constant_scores(run.images))
    assert not list(one_class_called(run.images, summarize(run, n_draws=50)))


def test_a_constant_method_is_named_with_its_runs(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.5, 0.0), "flat": (1.5, 0.0)})
    run = with_scores(folder, "flat", lambda rare: 0.3 + 0.001 * rare, seeds="seed-1")
    (warning,) = constant_scores(run.images)
    assert (warning.kind, warning.methods) == ("constant scores", ("flat",))
    assert warning.numbers["spread of log-odds"] < LEAST_SPREAD
    assert "flat (1 of 3 runs)" in warning.text


@pytest.mark.parametrize(
    ("shift", "clause"), [(-9.0, "is missed by none"), (9.0, "is called class-1 by none")]
)
def test_a_wrong_threshold_is_no_constant_classifier(
    write_run: WriteRun, shift: float, clause: str
) -> None:
    run = open_run(write_run({"none": (2.0, shift), "other": (2.0, 0.0)}))
    assert not list(constant_scores(run.images))
    results = summarize(run, n_draws=50)
    (warning,) = one_class_called(run.images, results)
    assert (warning.kind, warning.methods) == ("one class called", ("none",))
    assert clause in warning.text
    assert not list(one_class_called(run.images, results, ignored={"none"}))


@pytest.mark.parametrize(("spread", "advice"), [(1.0, "checkpoint='last'"), (0.001, "n_steps=600")])
def test_the_other_weights_are_advised_if_their_scores_vary(
    write_run: WriteRun, spread: float, advice: str
) -> None:
    folder = write_run({"none": (1.5, 0.0), "flat": (1.5, 0.0)})
    run = with_scores(folder, "flat", lambda rare: 0.3 + 0.001 * rare, seeds="seed-1")
    images = run.images
    cells = []
    for cell in images.finished:
        odds = spread * np.random.default_rng(0).normal(size=len(cell.ids))
        rare = 1 / (1 + np.exp(-odds))
        other = replace(cell.predictions, y_score=np.stack([1 - rare, rare], axis=1))
        cells.append(replace(cell, other=other))
    (warning,) = constant_scores(replace(images, finished=tuple(cells)))
    assert advice in warning.change
