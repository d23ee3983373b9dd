"""Prior correction: golden numbers, identities, and the training shares that a fit recovers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import expit, logit, softmax

from equipoise.arrays import Labels, Scores
from equipoise.exceptions import DataError
from equipoise.metrics.priors import correct_priors, fit_priors


def calibrated(k: int, n: int, seed: int = 0, sharp: float = 1.5) -> tuple[Labels, Scores]:
    """Draw probabilities, and each class with its probability; every class occurs."""
    rng = np.random.default_rng(seed)
    score = softmax(sharp * rng.normal(size=(n, k)) - np.arange(k), axis=1)
    y_true = (score.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    y_true[:k] = np.arange(k)
    return y_true, score


def shares(y_true: Labels) -> Scores:
    return np.asarray(np.bincount(y_true) / len(y_true))


def test_golden_prior_correction() -> None:
    corrected = correct_priors(
        np.array([[0.3, 0.7]]), trained=[0.5, 0.5], target=[0.85455, 0.14545]
    )
    assert_allclose(corrected, [[0.715743, 0.284257]], rtol=1e-5)


odds = st.lists(st.floats(0.01, 100), min_size=3, max_size=3)


@given(odds, odds, st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_identity_rows_and_way_back(trained: list[float], target: list[float], seed: int) -> None:
    _, y_score = calibrated(3, 10, seed)
    there = correct_priors(y_score, trained=trained, target=target)
    assert_allclose(there.sum(axis=1), 1)
    assert_allclose(correct_priors(there, trained=target, target=trained), y_score, atol=1e-9)
    assert_allclose(correct_priors(y_score, trained=trained, target=trained), y_score, atol=1e-12)


def test_bayes_of_two_gaussians() -> None:
    """Densities N(0, 1) and N(2, 1), learned half and half, used 9 to 1."""
    x = np.linspace(-3, 5, 9)
    density = np.exp(-0.5 * (x[:, None] - np.array([0.0, 2.0])) ** 2)
    learned = density / density.sum(axis=1, keepdims=True)
    expected = density * [0.9, 0.1] / (density @ [0.9, 0.1])[:, None]
    assert_allclose(correct_priors(learned, trained=[0.5, 0.5], target=[0.9, 0.1]), expected)


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("sharp", [0.5, 3.0, 20.0])
def test_corrected_probabilities_have_the_mean_of_the_classes(k: int, sharp: float) -> None:
    y_true, y_score = calibrated(k, 300, sharp=sharp)
    trained = fit_priors(y_true=y_true, y_score=y_score)
    corrected = correct_priors(y_score, trained=trained, target=shares(y_true))
    assert_allclose(trained.sum(), 1)
    assert_allclose(corrected.mean(axis=0), shares(y_true), atol=1e-7)


@given(st.integers(2, 5), st.integers(0, 50), st.floats(0, 3))
@settings(deadline=None, max_examples=25)
def test_a_method_that_only_multiplies_the_odds_ties(k: int, seed: int, strength: float) -> None:
    y_true, y_score = calibrated(k, 120, seed)
    moved = y_score * np.exp(strength * np.random.default_rng(seed).normal(size=k))
    moved /= moved.sum(axis=1, keepdims=True)
    corrected = []
    for score in (y_score, moved):
        trained = fit_priors(y_true=y_true, y_score=score)
        corrected.append(correct_priors(score, trained=trained, target=shares(y_true)))
    assert_allclose(corrected[0], corrected[1], atol=1e-6)


def test_calibrated_scores_imply_the_shares_of_the_images_and_balanced_ones_one_half() -> None:
    y_true, y_score = calibrated(2, 20_000)
    implied = fit_priors(y_true=y_true, y_score=y_score)
    assert_allclose(implied, shares(y_true), atol=0.02)
    balanced = correct_priors(y_score, trained=implied, target=[0.5, 0.5])
    assert_allclose(fit_priors(y_true=y_true, y_score=balanced), 0.5, atol=1e-6)


def test_two_classes_have_the_offset_at_which_the_mean_is_the_share() -> None:
    y_true, y_score = calibrated(2, 400)
    logits = np.log(y_score[:, 1] / y_score[:, 0])
    offset = brentq(lambda a: float(expit(logits + a).mean() - y_true.mean()), -20, 20, xtol=1e-14)
    trained = fit_priors(y_true=y_true, y_score=y_score)
    assert_allclose(logit(y_true.mean()) - logit(trained[1]), offset, atol=1e-7)


def test_probabilities_of_zero_do_not_stop_the_fit() -> None:
    y_true = np.array([0, 1, 1, 0])
    assert np.isfinite(fit_priors(y_true=y_true, y_score=np.eye(2)[[0, 1, 0, 0]])).all()


@pytest.mark.parametrize("bad", [[0.5], [1.0, 0.0], [0.5, np.nan], [-1.0, 2.0]])
def test_bad_shares_are_refused(bad: list[float]) -> None:
    with pytest.raises(DataError, match=r"trained.*2"):
        correct_priors(np.array([[0.3, 0.7]]), trained=bad, target=[0.5, 0.5])


def test_a_class_without_an_image_is_refused() -> None:
    with pytest.raises(DataError, match="3 classes"):
        fit_priors(y_true=np.array([0, 1]), y_score=np.full((2, 3), 1 / 3))
