"""Thresholds against a search over all of them, and the costs of wrong calls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from equipoise.exceptions import SettingError
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.thresholds import (
    best_threshold,
    cheapest_threshold,
    cost_per_1000,
    threshold_at_recall,
)

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30).filter(
    lambda case: len({truth for truth, _ in case}) == 2
)


def predictions(truth: list[bool], score: list[float]) -> Predictions:
    p = np.array(score)
    return Predictions(
        y_true=np.array(truth, dtype=np.int64), y_score=np.stack([1 - p, p], axis=1), positive=1
    )


def rates(p: Predictions, threshold: float) -> tuple[float, float]:
    """Compute recall and specificity."""
    called, truth = p.y_score[:, 1] >= threshold, p.y_true == 1
    return float(called[truth].mean()), float((~called[~truth]).mean())


@given(cases)
@settings(deadline=None, max_examples=80)
def test_no_threshold_has_a_better_balanced_accuracy_and_none_as_good_is_lower(
    case: list[tuple[bool, int]],
) -> None:
    p = predictions([truth for truth, _ in case], [score / 8 for _, score in case])
    threshold = best_threshold(p)
    sums = {t: sum(rates(p, t)) for t in (*np.unique(p.y_score[:, 1]), 2.0)}
    best = max(sums.values())
    assert_allclose(sum(rates(p, threshold)), best, atol=1e-12)
    assert all(total < best - 1e-12 for t, total in sums.items() if t < threshold)


@given(cases, st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]))
@settings(deadline=None, max_examples=80)
def test_the_recall_is_reached_and_by_no_higher_threshold(
    case: list[tuple[bool, int]], recall: float
) -> None:
    p = predictions([truth for truth, _ in case], [score / 8 for _, score in case])
    threshold = threshold_at_recall(p, recall)
    assert rates(p, threshold)[0] >= recall - 1e-12
    assert all(rates(p, t)[0] < recall for t in np.unique(p.y_score[:, 1]) if t > threshold)


def test_nineteen_of_twenty_are_95_percent() -> None:
    p = predictions([True] * 20 + [False], [*np.linspace(0.05, 0.95, 20), 0.01])
    assert rates(p, threshold_at_recall(p, 0.95)) == (0.95, 1.0)


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.01])
def test_a_recall_outside_its_range_is_refused(recall: float) -> None:
    with pytest.raises(SettingError, match=rf"recall.*{recall}"):
        threshold_at_recall(predictions([True, False], [0.9, 0.1]), recall)


@pytest.mark.parametrize(
    ("missed", "false_alarm"), [(5.0, 1.0), (1.0, 1.0), (3.0, 0.0), (0.0, 2.0)]
)
def test_no_call_is_cheaper_than_by_the_cheapest_threshold(
    missed: float, false_alarm: float
) -> None:
    threshold = cheapest_threshold(missed=missed, false_alarm=false_alarm)
    p = np.linspace(0, 1, 41)
    of_calling, of_not = (1 - p) * false_alarm, p * missed
    assert_allclose(
        np.where(p >= threshold, of_calling, of_not), np.minimum(of_calling, of_not), atol=1e-12
    )


def test_cost_by_hand() -> None:  # of 10 images one is missed and two are false alarms
    p = predictions([True] * 3 + [False] * 7, [0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert cost_per_1000().rule(p).tolist() == [700.0]
    assert_allclose(cost_per_1000(missed=1, false_alarm=1).rule(p), 300.0)
    assert cost_per_1000(missed=2, false_alarm=7).bounds == (0, 7000)


@pytest.mark.parametrize("costs", [(-1.0, 1.0), (1.0, -1.0), (0.0, 0.0)])
def test_negative_or_zero_costs_are_refused(costs: tuple[float, float]) -> None:
    with pytest.raises(SettingError, match=f"missed={costs[0]} and false_alarm={costs[1]}"):
        cost_per_1000(missed=costs[0], false_alarm=costs[1])


def test_where_no_image_counts_nothing_is_known() -> None:
    """A draw may leave every patient of a small test set out; nothing is warned of."""
    p = predictions([True, False], [0.9, 0.2]).reweighted(np.array([[0.0, 0.0], [1.0, 1.0]]))
    for metric in (cost_per_1000(), METRICS["ece"]):
        assert np.isfinite(metric.rule(p)).tolist() == [False, True]
