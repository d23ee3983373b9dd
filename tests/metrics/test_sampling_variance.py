"""Variances of recalls and areas, and intervals of areas, against simulated test sets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from equipoise.metrics.sampling_variance import (
    area_variance,
    auroc_interval,
    auroc_variance,
    detectable_auroc,
    recall_variance,
)


def areas(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the area of each row of scores, from the rank sum."""
    n_true, n_false = truth.sum(), (~truth).sum()
    ranks = stats.rankdata(scores, axis=1)[:, truth].sum(axis=1)
    return np.asarray((ranks - n_true * (n_true + 1) / 2) / (n_true * n_false))


def test_recalls_by_hand() -> None:
    """r = 0.8 with 40 and 10 images: (0.16 / 40 + 0.16 / 10) / 4 = 0.005."""
    assert_allclose(recall_variance(np.array([40.0, 10.0]), 0.8), 0.005)


def test_recalls_as_simulated() -> None:
    rng = np.random.default_rng(0)
    recalls = np.mean([rng.binomial(n, 0.7, size=20_000) / n for n in (50, 20, 8)], axis=0)
    assert_allclose(recall_variance(np.array([50.0, 20.0, 8.0]), 0.7), recalls.var(), rtol=0.03)


def test_the_area_of_one_pair_is_a_coin() -> None:
    assert_allclose(area_variance(np.array([1.0, 1.0]), 0.8), 0.8 * 0.2)


def test_hanley_and_mcneil_1982() -> None:
    """Their example: area 0.893, 51 abnormal and 58 normal images, standard error 0.032."""
    assert_allclose(np.sqrt(area_variance(np.array([51.0, 58.0]), 0.893)), 0.032, atol=6e-4)


def test_areas_of_exponential_scores_as_simulated() -> None:
    """Mean 4 against 1: area 4 / (4 + 1) = 0.8; the larger scores have the longer tail."""
    rng, truth = np.random.default_rng(1), np.repeat([True, False], [15, 40])
    simulated = areas(rng.exponential(np.where(truth, 4.0, 1.0), size=(4000, 55)), truth)
    assert_allclose(simulated.mean(), 0.8, atol=0.005)
    assert_allclose(area_variance(np.array([15.0, 40.0]), 0.8), simulated.var(), rtol=0.08)


@pytest.mark.parametrize("k", [3, 5])
def test_the_mean_of_areas_varies_about_as_if_they_were_independent(k: int) -> None:
    """The assumption on Gaussian logits: the true standard error is within a fifth of it."""
    rng, truth = np.random.default_rng(2), np.repeat(np.arange(k), [15, 40, 30, 20, 25][:k])
    logits = rng.normal(size=(1500, len(truth), k)) + 1.2 * np.eye(k)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    means = np.mean([areas(scores[:, :, c], truth == c) for c in range(k)], axis=0)
    expected = area_variance(np.bincount(truth).astype(np.float64), float(means.mean()))
    assert_allclose(np.sqrt(expected), means.std(), rtol=0.2)


@pytest.mark.parametrize(("m", "n"), [(20, 20), (5, 60)])
def test_the_interval_of_an_auroc(m: int, n: int) -> None:
    """Null variance of Mann and Whitney; ends solve their equation; mirrored, inside 0 to 1."""
    assert auroc_variance(0.5, m, n) == pytest.approx((m + n + 1) / (12 * m * n))
    low, high = auroc_interval(0.8, m, n)
    for end in (low, high):
        assert abs(0.8 - end) / np.sqrt(auroc_variance(end, m, n)) == pytest.approx(
            1.959964, rel=1e-5
        )
    assert auroc_interval(0.2, m, n) == pytest.approx((1 - high, 1 - low))
    low, high = auroc_interval(1.0, m, n)
    assert 0.5 < low < 1 == high
    assert auroc_interval(0.0, m, n) == pytest.approx((0, 1 - low))


def test_the_interval_of_an_auroc_covers_in_95_percent() -> None:
    """Two normal distributions whose AUROC is 0.8; 200 sets of 12 and 40."""
    rng = np.random.default_rng(0)
    shift = 0.8416212 * np.sqrt(2)
    truth = np.arange(52) < 12
    covered = 0
    for _ in range(200):
        area = roc_auc_score(truth, rng.normal(size=52) + shift * truth)
        low, high = auroc_interval(area, 12, 40)
        covered += low <= 0.8 <= high
    assert 0.91 <= covered / 200 <= 0.99


@pytest.mark.parametrize("n", [10, 40])
def test_the_detectable_auroc_is_detected_in_80_percent(n: int) -> None:
    """Normal scores with that AUROC; the test is the one-sided one of two_sample."""
    area = detectable_auroc(n, n)
    rng = np.random.default_rng(0)
    shift = np.sqrt(2) * stats.norm.ppf(area)
    truth = np.arange(2 * n) < n
    sd = np.sqrt(auroc_variance(0.5, n, n))
    detected = 0
    for _ in range(300):
        measured = roc_auc_score(truth, rng.normal(size=2 * n) + shift * truth)
        detected += (measured - 0.5) / sd > stats.norm.ppf(0.95)
    assert 0.72 <= detected / 300 <= 0.88
    assert detectable_auroc(1, 1) == 1.0
