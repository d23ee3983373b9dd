"""Decisions fitted on validation: never worse than the plain one, and what a search would find."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit, logit, softmax

from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import (
    ONE_SIDED,
    TUNABLE,
    Decision,
    decided_metric,
    fit_decision,
)
from equipoise.metrics.thresholds import best_threshold


def simulated(
    k: int, n: int, seed: int, *, positive: int = 0, separation: float = 1.0
) -> Predictions:
    rng = np.random.default_rng(seed)
    shares = 0.5 ** np.arange(k)
    y_true = np.concatenate([np.arange(k), rng.choice(k, n - k, p=shares / shares.sum())])
    prior = np.log(shares)  # as a classifier that was trained on these shares
    logits = rng.normal(size=(n, k)) + separation * np.eye(k)[y_true] + prior
    return Predictions(y_true=y_true, y_score=softmax(logits, axis=1), positive=positive)


def fitted(validation: Predictions, name: str = "balanced_accuracy") -> Decision:
    decision = fit_decision(validation, METRICS[name])
    assert decision is not None
    return decision


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.integers(3, 30))
def test_of_two_classes_it_is_the_best_threshold(seed: int, positive: int, n: int) -> None:
    validation = simulated(2, n, seed, positive=positive)
    rounded = np.round(validation.y_score, 1)  # with ties
    for scores in (validation.y_score, rounded / rounded.sum(axis=1, keepdims=True)):
        p = replace(validation, y_score=scores)
        decision = fitted(p)
        expected = p.y_score[:, positive] >= best_threshold(p)
        assert ((decision.calls(p.y_score) == positive) == expected).all()


@pytest.mark.parametrize("name", TUNABLE)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_it_is_never_worse_on_its_own_images_than_the_largest_probability(
    k: int, name: str
) -> None:
    for seed in range(4):
        validation = simulated(k, 60, seed)
        decided = fitted(validation, name).decided(validation)
        assert METRICS[name].rule(decided)[0] >= METRICS[name].rule(validation)[0] - 1e-12


@pytest.mark.parametrize("name", TUNABLE)
def test_of_two_classes_no_threshold_is_better(name: str) -> None:
    validation = simulated(2, 40, 3, positive=1)
    score = validation.y_score[:, 1]
    values = []
    for threshold in (*score, 2.0):
        called = np.eye(2)[(score >= threshold).astype(int)]
        values.append(METRICS[name].rule(replace(validation, y_score=called))[0])
    decided = fitted(validation, name).decided(validation)
    assert METRICS[name].rule(decided)[0] == pytest.approx(max(values))


def test_of_three_classes_a_grid_search_is_hardly_better() -> None:
    gaps = []
    for seed in range(10):
        validation = simulated(3, 60, seed)
        logs = np.log(validation.y_score)
        grid = np.linspace(-4, 4, 33)
        offsets = np.stack([np.zeros(33**2), np.repeat(grid, 33), np.tile(grid, 33)], axis=1)
        calls = (logs[:, None] + offsets).argmax(axis=2)  # (n, grid)
        right = calls == validation.y_true[:, None]
        recalls = [right[validation.y_true == label].mean(axis=0) for label in range(3)]
        best = np.mean(recalls, axis=0).max()
        decided = fitted(validation).decided(validation)
        gaps.append(best - METRICS["balanced_accuracy"].rule(decided)[0])
    assert max(gaps) < 0.03
    assert np.mean(gaps) < 0.005


@pytest.mark.parametrize("k", [2, 4])
def test_a_shift_of_the_log_odds_changes_no_call(k: int) -> None:
    validation, test = simulated(k, 80, 1), simulated(k, 200, 2)
    shift = np.linspace(0.0, 2.0, k)

    def shifted(p: Predictions) -> Predictions:
        return replace(p, y_score=softmax(np.log(p.y_score) + shift, axis=1))

    if k == 2:
        assert fitted(shifted(validation)).offsets[1] == pytest.approx(
            fitted(validation).offsets[1] - shift[1]
        )
    plain = fitted(validation).calls(test.y_score)
    moved = fitted(shifted(validation)).calls(shifted(test).y_score)
    # Coordinate ascent starts elsewhere, so that of several classes a few calls may differ.
    assert (plain == moved).mean() == 1 if k == 2 else (plain == moved).mean() > 0.8


def test_a_class_without_validation_image_has_no_decision() -> None:
    validation = simulated(3, 40, 0)
    rows = validation.y_true != 2
    without = Predictions(
        y_true=validation.y_true[rows], y_score=validation.y_score[rows], positive=0
    )
    assert fit_decision(without, METRICS["balanced_accuracy"]) is None


@pytest.mark.parametrize("k", [2, 3])
def test_constant_scores_get_some_decision(k: int) -> None:
    validation = Predictions(
        y_true=np.arange(4 * k) % k, y_score=np.full((4 * k, k), 1 / k), positive=k - 1
    )
    calls = fitted(validation).calls(validation.y_score)
    assert len(np.unique(calls)) == 1


def test_offsets_are_the_threshold_in_log_odds() -> None:
    validation = simulated(2, 60, 5, positive=1)
    decision = fitted(validation)
    odds = np.log(validation.y_score[:, 1] / validation.y_score[:, 0])
    clear = np.abs(odds + decision.offsets[1]) > 1e-9
    by_offset = (odds + decision.offsets[1] > 0)[clear]
    assert ((decision.calls(validation.y_score) == 1)[clear] == by_offset).all()


def test_the_decisive_metric_of_a_primary_one() -> None:
    assert decided_metric(METRICS["macro_f1"]).name == "decided_macro_f1"
    for name in ONE_SIDED:  # calling everything one class would win
        assert decided_metric(METRICS[name]).name == "decided_balanced_accuracy"
    for name in METRICS.keys() - {*TUNABLE, *ONE_SIDED}:
        assert decided_metric(METRICS[name]) is METRICS[name]


def test_decided_predictions_are_the_calls() -> None:
    validation = simulated(3, 50, 8)
    decision = fitted(validation)
    decided = decision.decided(validation)
    assert_allclose(decided.y_score.sum(axis=1), 1)
    assert (decided.y_score.argmax(axis=1) == decision.calls(validation.y_score)).all()


def test_offsets_do_not_part_equal_scores() -> None:
    for seed in range(20):
        validation = simulated(3, 40, seed, separation=0.3)
        rounded = np.maximum(np.round(validation.y_score, 1), 0.1)
        p = replace(validation, y_score=rounded / rounded.sum(axis=1, keepdims=True))
        reached = METRICS["balanced_accuracy"].rule(fitted(p).decided(p))[0]
        assert reached >= METRICS["balanced_accuracy"].rule(p)[0]


def test_among_equally_good_thresholds_the_lowest_detects_most() -> None:
    score = np.array([0.1, 0.2, 0.3, 0.4])  # from 0.2 and from 0.4 on: balanced accuracy 0.75
    validation = Predictions(
        y_true=np.array([0, 1, 0, 1]), y_score=np.stack([1 - score, score], axis=1), positive=1
    )
    assert fitted(validation).threshold == pytest.approx(expit(logit([0.1, 0.2]).mean()))


def test_a_threshold_between_separated_classes_is_midway() -> None:
    logits = np.array([-3.0, -2.0, 1.0, 2.0])
    validation = Predictions(
        y_true=np.array([0, 0, 1, 1]),
        y_score=softmax(np.stack([np.zeros(4), logits], axis=1), axis=1),
        positive=1,
    )
    assert logit(fitted(validation).threshold) == pytest.approx(-0.5)


def test_scores_that_are_certain_are_separated_too() -> None:
    y_true = np.array([0, 0, 1, 1])
    validation = Predictions(y_true=y_true, y_score=np.eye(2)[y_true], positive=1)
    assert fitted(validation).threshold == pytest.approx(0.5, abs=1e-4)
