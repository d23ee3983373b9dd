import numpy as np
import pytest

from equipoise.curation.density_ratio import (
    acceptance,
    default_gamma,
    fit_density_ratio,
    rejection_scores,
)


def test_acceptance_is_the_exact_one_without_gamma() -> None:
    """exp(d - d_M); at the maximum epsilon keeps the score finite."""
    probability = acceptance(rejection_scores(np.array([-5.0, -1.0, 0.0]), 0.0))
    np.testing.assert_allclose(probability, [0.00674, 0.36788, 1.0], atol=1e-5)
    np.testing.assert_allclose(probability, np.exp([-5.0, -1.0, 0.0]), atol=2e-6)


def test_only_the_distance_to_the_highest_counts() -> None:
    logits = np.random.default_rng(0).normal(size=50)
    original = acceptance(rejection_scores(logits, logits.max()))
    shifted = acceptance(rejection_scores(logits + 100, logits.max() + 100))
    np.testing.assert_allclose(original, shifted, atol=1e-9)


def test_gamma_accepts_the_80th_percentile_with_probability_one_half() -> None:
    scores = rejection_scores(np.random.default_rng(0).normal(size=101), 5.0)
    probability = np.sort(acceptance(scores, gamma=default_gamma(scores)))
    assert probability[80] == pytest.approx(0.5)
    assert (np.diff(probability) >= 0).all()


def test_the_log_ratio_of_two_gaussians() -> None:
    """For a common covariance I it is x . (m_real - m_fake), here with means 0.5 and -0.5."""
    rng = np.random.default_rng(0)
    mean = np.array([0.5, 0.0, 0.0])
    real = rng.normal(size=(3000, 3)) + mean
    fake = rng.normal(size=(3000, 3)) - mean
    ratio = fit_density_ratio(real, fake, seed=0)
    np.testing.assert_allclose(ratio.weights, [1.0, 0.0, 0.0], atol=0.12)
    assert ratio.highest == pytest.approx(ratio.logits(fake).max())


def test_an_overfitted_discriminant_is_calibrated_on_held_out_images() -> None:
    """40 images of noise in 60 features: separable by chance alone."""
    rng = np.random.default_rng(1)
    ratio = fit_density_ratio(rng.normal(size=(20, 60)), rng.normal(size=(20, 60)), seed=0)
    new = rng.normal(size=(500, 60))
    assert np.ptp(ratio.logits(new)) < 1.5
    images = np.concatenate([rng.normal(size=(200, 4)) + 3, rng.normal(size=(200, 4))])
    separable = fit_density_ratio(images[:200], images[200:], seed=0)
    logits = separable.logits(images)
    assert logits[:200].mean() - logits[200:].mean() > 4


def test_a_discriminant_that_is_wrong_on_held_out_images_prefers_none() -> None:
    """Real and fake images in pairs of opposite sign: a fold generalizes wrongly to the rest."""
    real = np.repeat(np.eye(5), 2, axis=0) * np.tile([1, -1], 5)[:, None]
    ratio = fit_density_ratio(real, real.copy(), seed=0)
    assert (ratio.weights == 0).all()
    scores = rejection_scores(ratio.logits(real), ratio.highest)
    np.testing.assert_allclose(acceptance(scores), 1.0, atol=1e-5)
