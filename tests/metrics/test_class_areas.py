"""Images that are certain are counted in groups, and the areas of the curves stay the same."""

import numpy as np
import pytest

from equipoise.metrics import class_areas
from equipoise.metrics.class_areas import ClassAreas, rank_classes
from equipoise.metrics.ranking import areas

N, K = 90, 6


def test_groups_of_certain_images_give_the_areas_of_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(K), size=N).round(1)
    scores[0], scores[1] = 0.0, 0.0
    scores[0, :2], scores[1, 0] = (1.0, 1e-9), 1.0
    truth, called = np.divmod(np.arange(K * (K - 1)), K)  # no image of the last class
    y_true = np.concatenate([rng.integers(0, K - 1, size=N), truth])
    y_score = np.concatenate([scores, np.eye(K)[called]])
    weighting = rng.gamma(0.5, size=(7, len(y_true)))
    monkeypatch.setattr(class_areas, "MOST_CERTAIN", K)
    images = rank_classes(y_true, y_score)
    grouped = ClassAreas(images, np.ascontiguousarray(weighting.T))
    assert images.groups is not None
    assert len(images.uncertain) <= N
    for label in range(K):
        expected = areas(y_score[:, label], y_true == label, weighting)
        for area, of_images in zip(grouped.of(label), expected, strict=True):
            np.testing.assert_allclose(area, of_images, rtol=1e-12)
    assert np.isnan(grouped.of(K - 1)[1]).all()


def test_few_certain_images_are_counted_one_by_one_with_the_same_bits() -> None:
    y_true, y_score = np.array([0, 1, 2, 1]), np.eye(3)[[0, 1, 1, 2]]
    weighting = np.random.default_rng(0).gamma(1.0, size=(5, 4))
    images = rank_classes(y_true, y_score)
    assert images.groups is None
    for label in range(3):
        expected = areas(y_score[:, label], y_true == label, weighting)
        np.testing.assert_array_equal(
            ClassAreas(images, np.ascontiguousarray(weighting.T)).of(label), expected
        )
