"""Operating points: their calls, the measures of these, invariance to a shift of the odds."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import softmax

from equipoise.exceptions import SettingError
from equipoise.metrics.base import Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.operating import (
    MEAN_RECALL,
    MEASURES,
    POINTS,
    OperatingPoint,
    Tuning,
    at_least_cost,
    at_recall,
    of_counts,
)
from equipoise.testing.metrics import METRIC_CONTRACT

UNMOVED = [name for name in POINTS if name != "largest"]


def simulated(k: int, n: int, seed: int, positive: int) -> Predictions:
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([np.arange(k), rng.integers(k, size=n - k)])
    y_score = softmax(rng.normal(size=(n, k)) + np.eye(k)[y_true], axis=1)
    return Predictions(y_true=y_true, y_score=y_score, positive=positive)


def moved(p: Predictions, odds: Values) -> Predictions:
    score = p.y_score * odds
    return Predictions(
        y_true=p.y_true, y_score=score / score.sum(axis=1, keepdims=True), positive=p.positive
    )


def calls(point: OperatingPoint, validation: Predictions, test: Predictions) -> list[bool]:
    called = point.rule(Tuning(validation), test.y_score)
    assert called is not None
    return list(called.tolist())


def measured(name: str, validation: Predictions, test: Predictions) -> Predictions:
    return of_counts(POINTS[name].decide(Tuning(validation), test).sum(axis=0)[None])


@pytest.mark.parametrize("name", UNMOVED)
@given(st.floats(-4, 4), st.integers(0, 100), st.integers(0, 1))
@settings(deadline=None, max_examples=15)
def test_a_method_that_only_moves_the_threshold_ties(
    name: str, shift: float, seed: int, positive: int
) -> None:
    validation, test = simulated(2, 40, seed, positive), simulated(2, 40, seed + 1000, positive)
    odds = np.exp([0.0, shift])
    expected = calls(POINTS[name], validation, test)
    assert calls(POINTS[name], moved(validation, odds), moved(test, odds)) == expected


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.integers(0, 100))
@settings(deadline=None, max_examples=20)
def test_correction_undoes_shifted_odds_of_many_classes(shifts: list[float], seed: int) -> None:
    validation, test, odds = (
        simulated(4, 60, seed, 3),
        simulated(4, 60, seed + 1000, 3),
        np.exp(shifts),
    )
    for name in ("corrected", "least_cost"):
        expected = calls(POINTS[name], validation, test)
        assert calls(POINTS[name], moved(validation, odds), moved(test, odds)) == expected


def test_the_largest_probability_is_not_invariant_to_the_shift() -> None:
    validation, test = simulated(2, 40, 0, 1), simulated(2, 40, 1, 1)
    assert (
        calls(POINTS["largest"], validation, moved(test, np.array([1.0, 5.0])))
        != test.y_score.argmax(axis=1).tolist()
    )


@pytest.mark.parametrize("k", [2, 5])
def test_the_largest_probability_is_the_prediction_of_the_metrics(k: int) -> None:
    validation, test = simulated(k, 40, 0, 1), simulated(k, 80, 1, 1)
    decided = measured("largest", validation, test)
    for name in ("rare_recall", "rare_specificity", "rare_precision", "rare_npv"):
        assert_allclose(MEASURES[name].rule(decided), METRICS[name].rule(test))
    recall, specificity = (METRICS[f"rare_{m}"].rule(test) for m in ("recall", "specificity"))
    assert_allclose(MEASURES[MEAN_RECALL].rule(decided), (recall + specificity) / 2)


def test_points_reach_in_validation_what_they_are_chosen_for() -> None:
    p = simulated(3, 200, 0, 2)
    for recall in (0.9, 0.95):
        assert (
            recall
            <= MEASURES["rare_recall"].rule(measured(f"recall_{recall:g}", p, p))[0]
            < recall + 0.03
        )
    score = {name: MEASURES[MEAN_RECALL].rule(measured(name, p, p))[0] for name in POINTS}
    assert score["best_threshold"] == max(score.values())


def test_costs_move_the_calls_from_few_to_all() -> None:
    p = simulated(2, 200, 0, 1)
    n_called = []
    for missed, false_alarm in ((1.0, 50.0), (5.0, 1.0), (50.0, 1.0)):
        n_called.append(sum(calls(at_least_cost(missed=missed, false_alarm=false_alarm), p, p)))
    assert n_called[0] < n_called[1] < n_called[2]


def test_counts_are_as_good_as_the_images_themselves() -> None:
    test = simulated(2, 40, 1, 1)
    kinds = POINTS["best_threshold"].decide(Tuning(simulated(2, 40, 0, 1)), test)
    weights = np.random.default_rng(0).integers(0, 3, size=(2, 40))
    for value, row in enumerate(weights):
        rows = np.repeat(np.arange(40), row)
        called = kinds[rows][:, [1, 3]].sum(axis=1).astype(np.int64)
        images = Predictions(y_true=test.y_true[rows], y_score=np.eye(2)[called], positive=1)
        for measure in MEASURES.values():
            assert_allclose(
                measure.rule(of_counts(weights @ kinds))[value], measure.rule(images)[0]
            )


def test_nothing_is_chosen_without_validation_images_of_a_class() -> None:
    test = simulated(3, 30, 0, 2)

    def chosen(absent: int) -> set[str]:
        rows = test.y_true != absent
        without = Predictions(y_true=test.y_true[rows], y_score=test.y_score[rows], positive=2)
        finite = set()
        for name in POINTS:
            p = measured(name, without, test)
            values = [measure.rule(p)[0] for measure in MEASURES.values()]
            assert np.isnan(values).all() or np.isfinite(values).all()
            if np.isfinite(values).all():
                finite.add(name)
        return finite

    assert chosen(2) == {"largest"}
    # Odds of three classes need all three.
    assert chosen(0) == {"largest", "best_threshold", "recall_0.95", "recall_0.9"}


@pytest.mark.parametrize(
    "check", [c for c in METRIC_CONTRACT if c.__name__ != "does_not_depend_on_class_numbers"]
)
def test_cost_obeys_the_contract_of_metrics_for_two_classes(
    check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.testing.metrics.CLASSES", (2,))
    check(MEASURES["cost"])


def test_points_are_compared_by_a_measure() -> None:
    assert {point.compared for point in POINTS.values()} <= MEASURES.keys()
    assert all(name == point.name for name, point in POINTS.items())


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.5, float("nan")])
def test_a_recall_that_is_no_share_is_refused_at_once(recall: float) -> None:
    with pytest.raises(SettingError, match="recall above 0 and up to 1"):
        at_recall(recall)


@pytest.mark.parametrize("costs", [(-1.0, 1.0), (0.0, 0.0), (float("nan"), 1.0), (1.0, np.inf)])
def test_costs_that_cannot_be_compared_are_refused_at_once(costs: tuple[float, float]) -> None:
    missed, false_alarm = costs
    with pytest.raises(SettingError, match="finite costs"):
        at_least_cost(missed=missed, false_alarm=false_alarm)
