"""What every metric obeys: `for check in METRIC_CONTRACT: check(metric)`."""

from collections.abc import Callable

import numpy as np

from equipoise.arrays import Labels, Scores
from equipoise.metrics.base import Metric, Predictions

Reference = Callable[[Labels, Scores, int], float]  # y_true, y_score, positive

CLASSES = (2, 3, 7)


def is_best_for_correct_predictions(metric: Metric) -> None:
    """Certain, correct predictions reach the better of the two bounds."""
    for k in CLASSES:
        y_true, _ = _case(k)
        best = metric.bounds[1 if metric.higher_is_better else 0]
        value = metric.function(y_true=y_true, y_score=np.eye(k)[y_true], positive=0)
        np.testing.assert_allclose(
            value, best, atol=1e-12, err_msg=f"{metric.name}, {k} classes, all correct"
        )


def stays_within_its_bounds(metric: Metric) -> None:
    """Random, constant and completely wrong predictions stay within the bounds."""
    low, high = metric.bounds
    for k in CLASSES:
        y_true, y_score = _case(k)
        for scores in (y_score, np.full_like(y_score, 1 / k), np.eye(k)[(y_true + 1) % k]):
            value = metric.function(y_true=y_true, y_score=scores, positive=k - 1)
            assert low <= value <= high, f"{metric.name} is {value}, outside {metric.bounds}"


def does_not_depend_on_order(metric: Metric) -> None:
    """Shuffled images give the same value."""
    for k in CLASSES:
        y_true, y_score = _case(k)
        order = np.random.default_rng(1).permutation(len(y_true))
        value = metric.function(y_true=y_true[order], y_score=y_score[order], positive=1)
        expected = metric.function(y_true=y_true, y_score=y_score, positive=1)
        np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=metric.name)


def does_not_depend_on_class_numbers(metric: Metric) -> None:
    """Renumbering the classes everywhere, the positive one included, changes nothing."""
    for k in CLASSES:
        y_true, y_score = _case(k)
        new = np.random.default_rng(2).permutation(k)  # class c becomes class new[c]
        columns = np.argsort(new)
        value = metric.function(
            y_true=new[y_true], y_score=y_score[:, columns], positive=int(new[0])
        )
        expected = metric.function(y_true=y_true, y_score=y_score, positive=0)
        np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=metric.name)


def counts_a_weight_as_copies(metric: Metric) -> None:
    """An image of weight 3 counts as three, one of weight 0 as none, for each row of weights."""
    for k in CLASSES:
        y_true, y_score = _case(k)
        weights = np.random.default_rng(3).integers(0, 4, size=(3, len(y_true)))
        predictions = Predictions(y_true=y_true, y_score=y_score, positive=1)
        values = metric.rule(predictions.reweighted(weights.astype(np.float64)))
        for value, copies in zip(values, weights, strict=True):
            rows = np.repeat(np.arange(len(y_true)), copies)
            expected = metric.function(y_true=y_true[rows], y_score=y_score[rows], positive=1)
            np.testing.assert_allclose(
                value, expected, rtol=1e-9, err_msg=f"{metric.name}, {k} classes"
            )


def never_punishes_an_absent_class(metric: Metric) -> None:
    """Without images of the positive class the value is NaN, or the best possible one."""
    for k in CLASSES:
        y_true = np.arange(12) % (k - 1)
        value = metric.function(y_true=y_true, y_score=np.eye(k)[y_true], positive=k - 1)
        best = metric.bounds[1 if metric.higher_is_better else 0]
        assert np.isnan(value) or np.isclose(value, best), (
            f"{metric.name} is {value} for correct predictions"
        )


def agrees_with(metric: Metric, reference: Reference) -> None:
    """An independent implementation gives the same value for every class as the positive one."""
    for k in CLASSES:
        for seed in range(5):
            y_true, y_score = _case(k, seed)
            for positive in range(k):
                value = metric.function(y_true=y_true, y_score=y_score, positive=positive)
                expected = reference(y_true, y_score, positive)
                np.testing.assert_allclose(
                    value, expected, atol=1e-12, err_msg=f"{metric.name}, {k} classes"
                )


METRIC_CONTRACT: tuple[Callable[[Metric], None], ...] = (
    is_best_for_correct_predictions,
    stays_within_its_bounds,
    does_not_depend_on_order,
    does_not_depend_on_class_numbers,
    counts_a_weight_as_copies,
    never_punishes_an_absent_class,
)


def _case(k: int, seed: int = 0) -> tuple[Labels, Scores]:
    """Draw labels of all classes, and scores that favor the true one.

    Scores tie between images, never within an image.
    """
    rng = np.random.default_rng(seed)
    labels = rng.choice(k, size=60, p=np.arange(1, k + 1) / (k * (k + 1) / 2))
    y_true = np.concatenate([np.arange(k), labels]).astype(np.int64)
    logits = np.round(rng.normal(size=(len(y_true), k)) + np.eye(k)[y_true], 1)
    logits += 0.013 * np.arange(k)
    odds = np.exp(logits)
    return y_true, odds / odds.sum(axis=1, keepdims=True)
