"""Predictions refuse arrays of other shapes and ranges."""

from typing import Any

import numpy as np
import pytest

from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS

RIGHT: dict[str, Any] = {"y_true": np.array([0, 1]), "y_score": np.eye(2), "positive": 1}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_true": np.array([0, 1, 1])}, DataError, r"y_true.*\(2,\).*\(3,\)"),
        ({"y_true": np.array([0.0, 1.0])}, DataError, "y_true.*float64"),
        ({"y_true": np.array([0, 2])}, DataError, r"y_true.*0\.\.1.*0 to 2"),
        ({"y_true": np.array([-1, 1])}, DataError, "-1 to 1"),
        ({"y_score": np.array([0.2, 0.8])}, DataError, r"y_score.*\(2,\)"),
        ({"y_score": np.ones((2, 1))}, DataError, r"y_score.*\(2, 1\)"),
        ({"y_score": np.array([[3.0, -2.0], [0.0, 1.0]])}, DataError, "softmax"),
        ({"y_score": np.array([[0.5, 0.2], [0.0, 1.0]])}, DataError, "y_score.*sum to 1"),
        ({"y_score": np.array([[np.nan, 1.0], [0.0, 1.0]])}, DataError, "y_score"),
        ({"positive": 2}, SettingError, r"0\.\.1.*2"),
        ({"positive": -1}, SettingError, "-1"),
    ],
)
def test_bad_predictions_are_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        METRICS["accuracy"].function(**{**RIGHT, **change})


def test_arguments_are_keywords_only_because_swapped_ones_swap_precision_and_recall() -> None:
    with pytest.raises(TypeError, match="positional"):
        METRICS["rare_recall"].function(*RIGHT.values(), **RIGHT)


def test_the_positive_class_is_required() -> None:
    with pytest.raises(TypeError, match="positive"):
        METRICS["accuracy"].function(y_true=RIGHT["y_true"], y_score=RIGHT["y_score"])  # type: ignore[call-arg]


def test_other_weights_neither_sort_again_nor_round_what_is_complete() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=60)
    score = 0.1 + 0.7 * np.eye(3)[labels]
    predictions = Predictions(y_true=labels, y_score=score, positive=2)
    drawn = predictions.reweighted(rng.exponential(size=(300, 60)))
    assert drawn.sorted_by_class is predictions.sorted_by_class
    assert np.array_equal(drawn.hits, drawn.support)
    assert np.array_equal(drawn.hits, drawn.called)
    counts = drawn.confusion
    np.testing.assert_allclose(drawn.support, counts.sum(axis=2), rtol=1e-12)


def test_many_classes_have_the_numbers_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(0)
    k = 12
    scores = rng.dirichlet(np.ones(k), size=60)
    weights = rng.gamma(1.0, size=(3, 60))
    p = Predictions(y_true=rng.integers(0, k - 1, 60), y_score=scores, positive=1, weights=weights)
    np.testing.assert_allclose(p.hits, p.confusion.diagonal(axis1=1, axis2=2))
    np.testing.assert_allclose(p.support, p.confusion.sum(axis=2))
    np.testing.assert_allclose(p.called, p.confusion.sum(axis=1))
