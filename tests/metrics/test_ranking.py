"""Areas under the curves equal scikit-learn's, with ties and weights."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, roc_auc_score

from equipoise.metrics.ranking import FEW_WEIGHTINGS, areas

cases = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30
)


@given(cases)
@settings(deadline=None, max_examples=150)
def test_areas_equal_scikit_learn(case: list[tuple[bool, int, int]]) -> None:
    truth, score, weight = (np.array(column) for column in zip(*case, strict=True))
    auroc, precision = areas(score / 5, truth, weight[None].astype(np.float64))
    counted = weight > 0
    if truth[counted].any() and not truth[counted].all():
        assert_allclose(auroc[0], roc_auc_score(truth, score, sample_weight=weight), atol=1e-12)
    else:
        assert np.isnan(auroc[0])
    if truth[counted].any():
        assert_allclose(
            precision[0], average_precision_score(truth, score, sample_weight=weight), atol=1e-12
        )
    else:
        assert np.isnan(precision[0])


def test_auroc_of_constant_scores_is_one_half() -> None:
    auroc, _ = areas(np.full(7, 0.3), np.arange(7) < 2, np.ones((1, 7)))
    assert auroc[0] == 0.5


def test_areas_depend_on_the_order_of_scores_alone() -> None:
    rng = np.random.default_rng(0)
    score, truth, weights = rng.random(50), rng.random(50) < 0.3, rng.random((4, 50))
    for before, after in zip(
        areas(score, truth, weights), areas(np.exp(5 * score), truth, weights), strict=True
    ):
        assert_allclose(before, after, rtol=1e-12)


def test_a_class_that_a_fractional_weighting_leaves_out_is_nan_not_rounding() -> None:
    truth = np.array([True, False, True, False])
    weights = np.array([[0.1, 0.0, 0.7, 0.0], [0.0, 0.1, 0.0, 0.7]]) / 3
    auroc, precision = areas(np.array([0.1, 0.2, 0.3, 0.4]), truth, weights)
    assert np.isnan(auroc).all()
    assert_allclose(precision, [1.0, np.nan])


def test_many_weightings_at_once_equal_each_alone() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(40) < 0.3
    score = rng.integers(0, 12, size=40) / 12  # with ties
    weights = rng.exponential(size=(2 * FEW_WEIGHTINGS, 40))
    together = areas(score, truth, weights)
    for row in (0, FEW_WEIGHTINGS, 2 * FEW_WEIGHTINGS - 1):
        alone = areas(score, truth, weights[row : row + 1])
        assert_allclose([area[row] for area in together], np.ravel(alone), rtol=1e-12)
