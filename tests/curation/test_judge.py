from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from equipoise.curation.judge import Judge, balanced_rows, fit_judge, held_out_rows
from equipoise.estimators.classifier import ImageClassifier
from equipoise.training.progress import listening

CLASSIFIER = ImageClassifier(n_steps=4, batch_size=8, augmentation="none", device="cpu")


def toy() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [30, 9])
    noise = rng.integers(0, 120, size=(39, 1, 12, 12))
    return (noise + 100 * labels[:, None, None, None]).astype(np.uint8), labels


def test_a_fifth_of_each_class_is_held_out_at_least_one() -> None:
    codes = np.repeat([0, 1, 2], [30, 9, 2])
    rows = held_out_rows(codes, 0)
    assert np.bincount(codes[rows]).tolist() == [6, 2, 1]
    assert (np.diff(rows) > 0).all()
    assert not np.array_equal(rows, held_out_rows(codes, 1))


def test_the_temperature_is_fitted_on_balanced_classes() -> None:
    codes = np.repeat([0, 1], [30, 9])
    even = balanced_rows(codes, held_out_rows(codes, 0))
    assert np.bincount(codes[even]).tolist() == [6, 6]


def test_probabilities_are_those_of_the_classifier_at_the_temperature() -> None:
    images, labels = toy()
    judge = fit_judge(CLASSIFIER, images, labels, workspace=None)
    features, scores = judge.assess(images)
    plain = judge.classifier.predict_proba(images)
    np.testing.assert_allclose(
        scores, softmax(np.log(plain) / judge.temperature, axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    varying = features.std(axis=0) > 0
    np.testing.assert_allclose(features.std(axis=0)[varying], 1, atol=1e-9)


def test_it_is_trained_on_four_fifths() -> None:
    images, labels = toy()
    judge = fit_judge(CLASSIFIER, images, labels, workspace=None)
    assert judge.classifier.counts_.tolist() == [24, 7]


def test_values_that_are_not_finite_count_as_zero() -> None:
    images, labels = toy()
    judge = fit_judge(CLASSIFIER, images.astype(np.float32), labels, workspace=None)
    odd = images[:1].astype(np.float32)
    odd[0, 0, 0, :3] = [np.nan, np.inf, -np.inf]
    zero = np.nan_to_num(odd, posinf=0, neginf=0)
    np.testing.assert_array_equal(judge.assess(odd)[0], judge.assess(zero)[0])


def test_a_finished_judge_is_loaded_from_the_workspace(tmp_path: Path) -> None:
    images, labels = toy()
    steps: list[int] = []
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        first = fit_judge(CLASSIFIER, images, labels, workspace=tmp_path)
        again = fit_judge(CLASSIFIER, images, labels, workspace=tmp_path)
        assert len(steps) == 4
        fit_judge(CLASSIFIER, images, 1 - labels, workspace=tmp_path)
        assert len(steps) == 8, "other labels loaded the same judge"
    assert isinstance(first, Judge)
    assert again.temperature == first.temperature
    assert again.history.rows == first.history.rows
    for fitted, loaded in zip(first.assess(images), again.assess(images), strict=True):
        np.testing.assert_array_equal(fitted, loaded)
    assert pytest.approx(1.0) == again.assess(images)[1].sum(axis=1).max()
