from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from equipoise.curation.density_ratio import DensityRatio
from equipoise.curation.filters import DEFAULT, FILTERS, Candidates
from equipoise.curation.reference import (
    Reference,
    fit_reference,
    nearest_neighbor_quantile,
    spreads,
)


def candidates(n: int = 6, **fields: Any) -> Candidates:
    rng = np.random.default_rng(0)
    plain: dict[str, Any] = {
        "images": rng.integers(0, 256, size=(n, 1, 4, 4), dtype=np.uint8),
        "features": rng.normal(size=(n, 3)),
        "agreement": np.linspace(0.1, 0.9, n),
        "tau": 0.5,
        "uniform": np.full(n, 0.5),
        "accepted": np.empty((0, 0)),
    }
    return Candidates(**plain | fields)


def reference(**fields: Any) -> Reference:
    plain: dict[str, Any] = {
        "span": (0.0, 255.0),
        "spread": 10.0,
        "features": np.zeros((1, 3)),
        "closest": 1.0,
        "ratio": DensityRatio(np.array([1.0, 0.0, 0.0]), 0.0),
    }
    return Reference(**plain | fields)


def passes(name: str, images: Candidates, real: Reference | None = None) -> list[bool]:
    return list(FILTERS[name].margins(images, real or reference()) >= 0)


def test_the_five_stages_of_the_catalogue_are_the_default() -> None:
    assert DEFAULT == ("sanity", "agreement", "rejection", "memorization", "redundancy")
    for name, filter_ in FILTERS.items():
        assert filter_.name == name
        assert filter_.summary.endswith(".")
        assert filter_.source


def test_sanity_drops_images_that_are_not_finite_out_of_range_or_flat() -> None:
    images = np.tile(np.array([0.0, 100.0], dtype=np.float32), (6, 1, 4, 2))
    images[1, 0, 0, 0] = np.nan
    images[2, 0, 0, 0] = np.inf
    images[3, 0, 0, 0] = 255.5
    images[4, 0, 0, 0] = -0.5
    images[5] = 50 + images[5] / 100
    assert passes("sanity", candidates(images=images)) == [True, False, False, False, False, False]


def test_agreement_keeps_probabilities_of_at_least_tau() -> None:
    images = candidates(agreement=np.array([0.0, 0.49, 0.5, 0.51, 0.8, 1.0]))
    assert passes("agreement", images) == [False, False, True, True, True, True]
    assert (
        passes("agreement", candidates(agreement=images.agreement, tau=0.8))
        == [False] * 4 + [True] * 2
    )


def test_the_relative_variant_keeps_four_fifths_at_any_confidence() -> None:
    images = candidates(n=11, agreement=np.linspace(0.0, 0.2, 11))
    assert passes("agreement_top", images) == [False, False] + [True] * 9


def test_rejection_is_more_likely_the_less_real_an_image_looks() -> None:
    features = np.zeros((500, 3))
    features[:, 0] = np.linspace(-6.0, 2.0, 500)
    images = candidates(n=500, features=features, uniform=np.random.default_rng(0).random(500))
    share = np.reshape(passes("rejection", images), (5, 100)).mean(axis=1)
    assert (np.diff(share) > 0).all()
    assert share[0] < 0.1
    # just below the 80th percentile, where it is one half
    assert share[3] == pytest.approx(0.4, abs=0.15)
    assert share[4] > 0.6


def test_copies_of_training_images_are_dropped() -> None:
    real = reference(features=np.array([[0.0, 0, 0], [5, 0, 0]]), closest=1.0)
    features = np.array(
        [[0.0, 0, 0], [0.99, 0, 0], [1.01, 0, 0], [5, 0.5, 0], [2.5, 0, 0], [9, 9, 9]]
    )
    expected = [False, False, True, False, True, True]
    assert passes("memorization", candidates(features=features), real) == expected


def test_of_similar_images_the_first_is_kept() -> None:
    features = np.array(
        [[0.0, 0, 0], [0.6, 0, 0], [1.2, 0, 0], [1.2, 0, 0], [7, 0, 0], [7.5, 0, 0]]
    )
    expected = [True, False, True, False, True, False]
    assert passes("redundancy", candidates(features=features)) == expected
    accepted = np.array([[7.0, 0.5, 0]])
    later = candidates(features=features, accepted=accepted)
    assert passes("redundancy", later) == [True, False, True, False, False, False]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.05, 2.0))
def test_redundancy_keeps_distant_images_and_drops_near_ones(seed: int, n: int, eps: float) -> None:
    features = np.random.default_rng(seed).normal(size=(n, 2))
    keep = np.array(
        passes("redundancy", candidates(n=n, features=features), reference(closest=eps))
    )
    distances = cdist(features[keep], features[keep]) + 10 * np.eye(keep.sum())
    assert (distances >= eps - 1e-6).all()
    for row in np.flatnonzero(~keep):
        before = features[:row][keep[:row]]
        assert cdist(features[row][None], before).min() < eps + 1e-6


def test_a_subset_contains_its_rows() -> None:
    images = candidates()
    subset = images.subset(np.array([4, 1]))
    assert len(subset) == 2
    for name in ("images", "features", "agreement", "uniform"):
        np.testing.assert_array_equal(getattr(subset, name), getattr(images, name)[[4, 1]])


def test_thresholds_are_quantiles_of_the_real_images() -> None:
    rng = np.random.default_rng(0)
    images = (rng.random((201, 1, 4, 4)) * np.linspace(0, 255, 201)[:, None, None, None]).astype(
        np.uint8
    )
    features = np.arange(201.0)[:, None] ** 2 * np.ones((1, 2))
    real = fit_reference(images, features, features + 9, span=(0.0, 255.0), seed=0)
    flat = images.reshape(201, -1).astype(float)
    np.testing.assert_allclose(spreads(images), flat.std(axis=1))
    assert real.spread == pytest.approx(np.quantile(flat.std(axis=1), 0.01))
    gaps = cdist(features, features)
    np.fill_diagonal(gaps, np.inf)
    assert real.closest == pytest.approx(np.quantile(gaps.min(axis=1), 0.01), rel=1e-6)


def test_real_copies_do_not_permit_synthetic_copies() -> None:
    features = np.array([[0.0], [0.0], [3.0], [7.0]])
    assert nearest_neighbor_quantile(features) == pytest.approx(np.quantile([3.0, 4.0], 0.01))
    assert nearest_neighbor_quantile(np.zeros((4, 1))) == 0.0
