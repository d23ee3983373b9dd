"""Sums of AUROCs with patients as the unit: DeLong where an image is a patient, else clusters."""

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.metrics.base import Predictions
from equipoise.metrics.delong import compare_areas, mean_area, variance_of
from equipoise.metrics.patient_areas import (
    AreaSum,
    WeightedArea,
    patient_counts,
    ranked_classes,
    sum_areas,
)

Floats = NDArray[np.float64]


def two_classes(truth: NDArray[np.int64], logit: Floats) -> Predictions:
    score = 1 / (1 + np.exp(-logit))
    return Predictions(y_true=truth, y_score=np.stack([1 - score, score], axis=1), positive=1)


def term(predictions: Predictions, patients: NDArray[np.int64], weight: float) -> WeightedArea:
    return WeightedArea(predictions=predictions, patients=patients, weight=weight)


def test_with_one_image_of_a_patient_it_is_the_error_of_delong() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [80, 40])
    first, second = (two_classes(truth, rng.normal(truth)) for _ in range(2))
    patients = np.arange(120)
    published = compare_areas(first, second)
    difference = sum_areas([term(first, patients, 1.0), term(second, patients, -1.0)], [1])
    assert difference.value == pytest.approx(published.difference)
    # DeLong corrects each side by m / (m - 1); we take the factor of the smaller one for both
    assert difference.error == pytest.approx(published.error, rel=0.02)
    assert difference.error >= published.error
    assert difference.fewest == 40


def test_the_same_scores_twice_are_no_more_evidence() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 30)
    once = two_classes(truth, rng.normal(truth))
    one = sum_areas([term(once, np.arange(60), 1.0)], [1])
    halves = [term(once, np.arange(60), 0.5), term(once, np.arange(60), 0.5)]
    assert sum_areas(halves, [1]).error == pytest.approx(one.error)
    twice = two_classes(np.tile(truth, 2), np.tile(rng.normal(truth), 2))
    cluster = sum_areas([term(twice, np.tile(np.arange(60), 2), 1.0)], [1])
    apart = sum_areas([term(twice, np.arange(120), 1.0)], [1])
    assert cluster.error == pytest.approx(apart.error * np.sqrt(2), rel=0.03)


def test_more_than_two_classes_have_the_mean_area() -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 30)
    logits = rng.normal(size=(90, 3)) + np.eye(3)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predictions = Predictions(y_true=truth, y_score=scores, positive=2)
    area, influence = mean_area(predictions)
    total = sum_areas([term(predictions, np.arange(90), 1.0)], ranked_classes([predictions]))
    assert total.value == pytest.approx(area)
    assert total.error == pytest.approx(np.sqrt(variance_of(influence, truth)), rel=0.05)


def test_a_class_needs_two_images_in_every_part() -> None:
    full, lone = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2])
    parts = []
    for truth in (full, lone):
        parts.append(Predictions(y_true=truth, y_score=np.full((len(truth), 3), 1 / 3), positive=2))
    assert ranked_classes(parts) == [0, 1]
    assert ranked_classes(parts[:1]) == [0, 1, 2]


def test_patients_are_counted_on_either_side_of_a_difference() -> None:
    large = two_classes(np.repeat([0, 1], [50, 20]), np.zeros(70))
    small = two_classes(np.repeat([0, 1], [10, 4]), np.zeros(14))
    terms = [term(large, np.arange(70), 1.0), term(small, np.arange(14) // 2, -1.0)]
    assert sorted(patient_counts(terms, [1])) == [2, 5, 20, 50]


def test_intervals_of_a_mean_over_overlapping_splits_cover() -> None:
    """Three hold-outs of the same patients, two images each: the truth is in 93 to 99 of 100."""
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], [60, 24])
    covered = 0
    n_studies = 400
    expected = 0.7602  # of normal scores one deviation apart
    for _ in range(n_studies):
        of_patient = rng.normal(size=84) * np.sqrt(0.6)
        terms = []
        for _split in range(3):
            patients = np.repeat(rng.permutation(84)[:56], 2)
            noise = of_patient[patients] + rng.normal(size=112) * np.sqrt(0.4)
            predictions = two_classes(truth[patients], truth[patients] + noise)
            terms.append(term(predictions, patients, 1 / 3))
        low, high = sum_areas(terms, [1]).interval
        covered += low <= expected <= high
    assert 0.93 <= covered / n_studies <= 0.99


def test_one_patient_has_one_degree_of_freedom() -> None:
    assert AreaSum(value=0.5, error=0.1, fewest=1).freedom == 1.0
