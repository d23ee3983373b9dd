"""Intervals of one method: Jeffreys' for a recall, with width at the bounds, within the bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.intervals import (
    Codes,
    imagined_images,
    metric_interval,
    patient_masses,
    posterior_draws,
    with_imagined,
)


def calls(y_true: list[int], called: list[int], k: int = 2) -> Predictions:
    return Predictions(y_true=np.array(y_true), y_score=np.eye(k)[called], positive=k - 1)


def posterior(
    p: Predictions, metric: str, patients: Codes | None = None, n: int = 4000
) -> tuple[float, float]:
    codes = np.arange(len(p.y_true)) if patients is None else patients
    extended, all_patients = with_imagined(p, codes)
    known, first, columns = np.unique(all_patients, return_index=True, return_inverse=True)
    strata = extended.y_true[first]
    masses = patient_masses(known, strata, np.ones((1, len(known)), dtype=np.bool_), p.n_classes)
    rng = np.random.default_rng(0)
    (weights,) = posterior_draws(strata, masses, rng, n_draws=n, block=n)
    draws = METRICS[metric].rule(extended.reweighted(weights[:, columns]))
    return metric_interval(float(METRICS[metric].rule(p)[0]), draws)


@pytest.mark.parametrize("hits", [3, 6, 8])
def test_the_interval_of_a_recall_is_that_of_jeffreys(hits: int) -> None:
    p = calls([0] * 30 + [1] * 9, [0] * 30 + [1] * hits + [0] * (9 - hits))
    expected = stats.beta.ppf([0.015, 0.985], hits + 0.5, 9 - hits + 0.5)
    assert_allclose(posterior(p, "rare_recall", n=40_000), expected, atol=0.01)


def test_all_of_nine_have_an_interval_with_width() -> None:
    p = calls([0] * 30 + [1] * 9, [0] * 30 + [1] * 9)
    expected = stats.beta.ppf(0.015, 9.5, 0.5)
    assert_allclose(posterior(p, "rare_recall", n=40_000), (expected, 1.0), atol=0.01)
    for metric in ("balanced_accuracy", "auroc", "auprc", "rare_f1", "mcc"):
        low, high = posterior(p, metric)
        assert low < 0.97
        assert high == 1


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=12),
    st.sampled_from(sorted(METRICS)),
)
@settings(deadline=None, max_examples=60)
def test_the_ends_are_within_the_bounds_and_around_the_value(
    pairs: list[tuple[int, int]], metric: str
) -> None:
    truth, called = [0, 1, 2], [0, 1, 2]
    for label, call in pairs:
        truth.append(label)
        called.append(call)
    p = calls(truth, called, 3)
    low, high = posterior(p, metric, n=50)
    value = float(METRICS[metric].rule(p)[0])
    bottom, top = METRICS[metric].bounds
    assert bottom - 1e-9 <= low <= value <= high <= top + 1e-9


def test_the_images_of_a_patient_stay_together() -> None:
    truth = np.array([0] * 6 + [1] * 4)
    patients = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    imagined, called = imagined_images(truth, patients, 2)
    assert imagined.tolist() == [0] * 6 + [1] * 4
    assert called.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]


def test_as_few_patients_with_many_images_have_as_wide_an_interval() -> None:
    truth, called = [0] * 20 + [1] * 6, [0] * 20 + [1] * 5 + [0]
    once = posterior(calls(truth, called), "rare_recall")
    often = calls([y for y in truth for _ in range(5)], [y for y in called for _ in range(5)])
    patients = np.repeat(np.arange(26), 5)
    assert_allclose(posterior(often, "rare_recall", patients), once)


def test_a_class_that_is_wrong_in_several_ways_is_not_wrong_more_often() -> None:
    patients = np.array([-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2])
    strata = np.array([2, 2, 2, 1, 1, 1, 0, 0, 0, 0, 1, 2])
    masses = patient_masses(patients, strata, np.ones((1, 12), dtype=np.bool_), 3)
    assert masses[9:].tolist() == [1, 1, 1]
    for c in range(3):
        of_class = masses[:9][strata[:9] == c]
        assert sorted(of_class.tolist()) == [0.25, 0.25, 0.5]


def test_folds_do_not_imagine_once_each() -> None:
    patients, strata = np.array([-2, -1, *range(10)]), np.zeros(12, dtype=np.int64)
    folds = np.ones((5, 12), dtype=np.bool_)
    folds[:, 2:] = np.arange(10) // 2 == np.arange(5)[:, None]
    assert_allclose(patient_masses(patients, strata, folds, 2)[:2], [0.1, 0.1])
    folds[:, 2:] = True  # five seeds on the same patients
    assert_allclose(patient_masses(patients, strata, folds, 2)[:2], [0.5, 0.5])


def test_a_class_that_is_always_the_companion_of_a_rarer_one_draws_nothing() -> None:
    patients, strata = np.array([-2, -1, 0, 1]), np.array([0, 0, 1, 1])
    masses = patient_masses(patients, strata, np.ones((1, 4), dtype=np.bool_), 2)
    rng = np.random.default_rng(0)
    (weights,) = posterior_draws(strata, masses, rng, n_draws=5, block=5)
    assert_allclose(weights[:, :2], 0)
    assert_allclose(weights[:, 2:].sum(axis=1), 2)


def test_an_undefined_metric_has_no_interval() -> None:
    assert np.isnan(metric_interval(float("nan"), np.full(9, np.nan))).all()
