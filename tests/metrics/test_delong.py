"""DeLong's test against the published formulas pair by pair, and on simulated studies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

from equipoise.exceptions import DataError
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.delong import compare_areas, influences, mean_area

Floats = NDArray[np.float64]


def two_classes(truth: NDArray[np.int64], score: Floats) -> Predictions:
    return Predictions(y_true=truth, y_score=np.stack([1 - score, score], axis=1), positive=1)


def reference(
    truth: NDArray[np.int64], first: Floats, second: Floats
) -> tuple[float, float, float]:
    """Compute both areas and the variance of their difference: DeLong et al. (1988), Eq. 1 to 8."""
    areas, of_true, of_false = [], [], []
    for score in (first, second):
        x, y = score[truth == 1], score[truth == 0]
        psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
        areas.append(psi.mean())
        of_true.append(psi.mean(axis=1))
        of_false.append(psi.mean(axis=0))
    s10, s01 = np.cov(of_true), np.cov(of_false)
    covariance = s10 / len(of_true[0]) + s01 / len(of_false[0])
    contrast = np.array([1.0, -1.0])
    return areas[0], areas[1], float(contrast @ covariance @ contrast)


@given(st.integers(2, 12), st.integers(2, 15), st.sampled_from([3, 8, 1000]), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_it_is_the_published_test_ties_included(
    n_true: int, n_false: int, n_values: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat([1, 0], [n_true, n_false]))
    first, second = rng.integers(n_values, size=(2, len(truth))) / n_values
    test = compare_areas(two_classes(truth, first), two_classes(truth, second))
    area, other_area, variance = reference(truth, first, second)
    expected = [area, other_area, variance]
    assert_allclose([test.first, test.second, test.error**2], expected, atol=1e-12)
    if variance > 1e-12:
        assert_allclose(
            test.p, 2 * stats.norm.sf(abs(area - other_area) / np.sqrt(variance)), rtol=1e-6
        )


def test_by_hand() -> None:
    """Truth 1 1 0 0, scores 3 1 2 0: the first positive beats both, the second one; area 3/4."""
    area, influence = influences(
        np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False])
    )
    assert area == 0.75
    assert_allclose(influence, [0.125, -0.125, -0.125, 0.125])


def test_the_area_is_that_of_the_metric() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3):
        logits = rng.normal(size=(40, k)).round(1)
        score = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        p = Predictions(y_true=np.arange(40) % k, y_score=score, positive=1)
        assert_allclose(mean_area(p)[0], METRICS["auroc"].rule(p)[0])


def test_monotone_transforms_and_the_order_of_images_change_nothing() -> None:
    rng = np.random.default_rng(1)
    truth, (first, second) = np.arange(30) % 3 // 2, rng.random((2, 30))
    plain = compare_areas(two_classes(truth, first), two_classes(truth, second))
    order = rng.permutation(30)
    moved = compare_areas(
        two_classes(truth[order], first[order] ** 3), two_classes(truth[order], second[order])
    )
    mirrored = compare_areas(two_classes(truth, second), two_classes(truth, first))
    assert_allclose([moved.difference, moved.p], [plain.difference, plain.p])
    assert_allclose([mirrored.difference, mirrored.p], [-plain.difference, plain.p])


def test_equal_scores_differ_by_nothing_and_perfect_ones_cannot_be_tested() -> None:
    truth = np.array([0, 0, 0, 1, 1])
    scores, perfect, reversed_ = np.array([0.1, 0.6, 0.3, 0.5, 0.7]), truth * 0.8, 1 - truth * 0.8
    assert compare_areas(two_classes(truth, scores), two_classes(truth, scores)).p == 1
    assert np.isnan(compare_areas(two_classes(truth, perfect), two_classes(truth, reversed_)).p)


def test_too_few_images_and_other_images_are_refused() -> None:
    scores = np.array([0.2, 0.4, 0.6])
    truth, other_truth = np.array([0, 0, 1]), np.array([0, 1, 1])
    with pytest.raises(DataError, match=r"2 images.*1 and 2"):
        compare_areas(two_classes(truth, scores), two_classes(truth, scores))
    with pytest.raises(DataError, match="different truths"):
        compare_areas(two_classes(truth, scores), two_classes(other_truth, scores))


@pytest.mark.parametrize("k", [2, 3])
def test_the_error_is_that_of_the_bootstrap_within_classes(k: int) -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat(np.arange(k), [40, 60, 30][:k])
    pair = []
    for skill in (1.0, 1.5):
        score = softmax(rng.normal(size=(len(truth), k)) + skill * np.eye(k)[truth])
        pair.append(Predictions(y_true=truth, y_score=score, positive=k - 1))
    of_class = []  # (3000, images of the class) weights of each
    for c in range(k):
        size = int((truth == c).sum())
        of_class.append(rng.multinomial(size, [1 / size] * size, 3000))
    weights = np.concatenate(of_class, axis=1).astype(np.float64)
    first, second = (METRICS["auroc"].rule(p.reweighted(weights)) for p in pair)
    assert_allclose(compare_areas(*pair).error, (first - second).std(), rtol=0.08)


def softmax(logits: Floats) -> Floats:
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


def coverage(n_studies: int, skill: float) -> float:
    """Simulate correlated binormal scores, 20 positive, 60 negative: areas Phi(mu / sqrt 2)."""
    rng, truth = np.random.default_rng(3), np.repeat([1, 0], [20, 60])
    expected = float(np.diff(stats.norm.cdf(np.array([1.0, skill]) / np.sqrt(2)))[0])
    covered = 0
    for _ in range(n_studies):
        logits = 0.7 * rng.normal(size=80) + np.sqrt(0.51) * rng.normal(size=(2, 80))
        first, second = (
            two_classes(truth, stats.norm.cdf(row + m * truth))
            for row, m in zip(logits, (skill, 1.0), strict=True)
        )
        test = compare_areas(first, second)
        covered += abs(test.difference - expected) < 1.96 * test.error
    return covered / n_studies


@pytest.mark.parametrize("skill", [1.0, 1.8])
def test_intervals_cover_the_true_difference(skill: float) -> None:
    assert 0.90 <= coverage(120, skill) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("skill", [1.0, 1.8])
def test_intervals_cover_the_true_difference_in_many_studies(skill: float) -> None:
    assert 0.935 <= coverage(3000, skill) <= 0.96
