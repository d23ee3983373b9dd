"""Bins, intervals and temperatures against closed forms and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logit, softmax
from scipy.stats import binomtest

from equipoise.arrays import Labels, Scores
from equipoise.exceptions import DataError
from equipoise.metrics.base import Predictions
from equipoise.metrics.calibration import (
    N_BINS,
    TEMPERATURES,
    ece,
    fit_temperature,
    reliability,
    scale_temperature,
    wilson,
)


def two_classes(truth: list[int], probability: list[float]) -> Predictions:
    p = np.array(probability)
    return Predictions(y_true=np.array(truth), y_score=np.stack([1 - p, p], axis=1), positive=1)


def calibrated(k: int, n: int, seed: int = 0) -> tuple[Labels, Scores]:
    """Draw probabilities, and each class with its probability."""
    rng = np.random.default_rng(seed)
    score = softmax(1.5 * rng.normal(size=(n, k)), axis=1)
    return (score.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1), score


def test_reliability_by_hand() -> None:
    curve = reliability(two_classes([0, 1, 0, 1, 1], [0.0, 1 / 15, 0.10, 0.12, 1.0]))
    assert N_BINS == 15
    # An edge belongs to the lower bin, 0 to the first.
    assert curve.n.tolist() == [2, 2, *[0] * 12, 1]
    assert_allclose(curve.predicted[[0, 1, 14]], [1 / 30, 0.11, 1.0])
    assert_allclose(curve.observed[[0, 1, 14]], [0.5, 0.5, 1.0])
    for column in (curve.predicted, curve.observed, curve.low, curve.high):
        assert np.isnan(column[2:14]).all()


def test_calibration_error_by_hand() -> None:
    p = two_classes([0, 1, 0, 1, 1], [0.0, 1 / 15, 0.10, 0.12, 1.0])
    assert_allclose(ece(p), (2 * (0.5 - 1 / 30) + 2 * (0.5 - 0.11) + 0) / 5)


def test_calibration_errors_of_calibrated_and_of_overconfident_scores() -> None:
    y_true, y_score = calibrated(3, 20_000)
    assert ece(Predictions(y_true=y_true, y_score=y_score, positive=2))[0] < 0.015
    overconfident = scale_temperature(y_score, 0.3)
    assert ece(Predictions(y_true=y_true, y_score=overconfident, positive=2))[0] > 0.1


def test_a_weight_stands_for_a_part_of_an_image() -> None:
    p = two_classes([0, 1, 1], [0.2, 0.2, 0.25])
    twice = Predictions(
        y_true=np.tile(p.y_true, 2),
        y_score=np.tile(p.y_score, (2, 1)),
        positive=1,
        weights=np.full((1, 6), 0.5),
    )
    expected = vars(reliability(p))
    for name, column in vars(reliability(twice)).items():
        assert_allclose(column, expected[name])


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (61, 200)])
def test_wilson_is_that_of_scipy(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(np.array([k / n]), np.array([float(n)]))
    assert_allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-12)


def test_wilson_intervals_cover_shares_that_a_bootstrap_cannot() -> None:
    rng, n, share = np.random.default_rng(0), 12, 0.05
    low, high = wilson(rng.binomial(n, share, size=2000) / n, np.full(2000, float(n)))
    assert ((low <= share) & (share <= high)).mean() >= 0.90


def test_temperature_in_closed_form() -> None:
    """Equal scores for all images: T turns 0.9 into the share of correct ones."""
    p = two_classes([1] * 7 + [0] * 3, [0.9] * 10)
    expected = logit(0.9) / logit(0.7)
    temperature = fit_temperature(y_true=p.y_true, y_score=p.y_score)
    assert_allclose(temperature, expected, rtol=1e-5)
    assert_allclose(scale_temperature(p.y_score, temperature)[:, 1], 0.7, rtol=1e-5)


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("sharpened", [0.5, 1.0, 4.0])
def test_temperature_undoes_a_scaling_of_the_logits(k: int, sharpened: float) -> None:
    y_true, y_score = calibrated(k, 4000)
    temperature = fit_temperature(y_true=y_true, y_score=scale_temperature(y_score, 1 / sharpened))
    of_plain = fit_temperature(y_true=y_true, y_score=y_score)
    assert_allclose(temperature, sharpened * of_plain, rtol=1e-4)
    assert_allclose(temperature, sharpened, rtol=0.1)


@given(st.integers(2, 5), st.floats(0.1, 10), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_scaling_keeps_order_and_sums(k: int, temperature: float, seed: int) -> None:
    _, y_score = calibrated(k, 8, seed)
    scaled = scale_temperature(y_score, temperature)
    assert_allclose(scaled.sum(axis=1), 1)
    assert (scaled.argsort(axis=1) == y_score.argsort(axis=1)).all()
    assert_allclose(scale_temperature(y_score, 1.0), y_score)
    assert_allclose(scale_temperature(scaled, 1 / temperature), y_score, atol=1e-9)


def test_temperatures_without_a_best_one_stay_within_their_range() -> None:
    right, wrong = np.array([0, 1, 1]), np.array([1, 0, 0])
    score = np.array([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert_allclose(fit_temperature(y_true=right, y_score=score), TEMPERATURES[0], rtol=1e-3)
    assert_allclose(fit_temperature(y_true=wrong, y_score=score), TEMPERATURES[1], rtol=1e-3)


def test_a_probability_of_zero_is_a_mistake_of_finite_size() -> None:
    certain = np.eye(2)[[0, 0, 1, 1]]
    assert np.isfinite(fit_temperature(y_true=np.array([0, 1, 1, 1]), y_score=certain))


def test_logits_are_refused() -> None:
    with pytest.raises(DataError, match="softmax"):
        fit_temperature(y_true=np.array([0]), y_score=np.array([[3.0, -1.0]]))
