"""No pair that correlates is missed, each comes once, and hardly any other comes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.data import correlated_pairs as module
from equipoise.data.correlated_pairs import correlated_pairs, principal_axes, project

SIDE = 12  # numbers of a vector


@pytest.fixture(autouse=True)
def small_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"N_AXES": 5, "N_SEARCHED": 3, "BOX": 4, "TILE": 3}.items():
        monkeypatch.setattr(module, name, value)


def vectors(
    rng: np.random.Generator, n: int, n_clusters: int, spread: float
) -> NDArray[np.float32]:
    """Draw unit vectors around some centers; some are the same, some are 0."""
    centers = rng.normal(size=(n_clusters, SIDE))
    drawn = centers[rng.integers(0, n_clusters, n)] + spread * rng.normal(size=(n, SIDE))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[rng.random(n) < 0.1] = drawn[0]
    drawn[rng.random(n) < 0.1] = 0
    return drawn.astype(np.float32)


def pairs_of(points: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    pairs = []
    for a, b in correlated_pairs(points, least):
        pairs += [(min(pair), max(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    return pairs


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    n_clusters=st.integers(1, 10),
    spread=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    least=st.sampled_from([-1.0, 0.0, 0.5, 0.9, 0.97, 0.999]),
)
def test_no_pair_is_missed(seed: int, n: int, n_clusters: int, spread: float, least: float) -> None:
    rng = np.random.default_rng(seed)
    sample = vectors(rng, n, n_clusters, spread)
    points = project(sample, principal_axes(sample[::3]))
    pairs = pairs_of(points, least)
    first, second = np.nonzero(np.triu(sample @ sample.T >= least, k=1))
    assert set(zip(first.tolist(), second.tolist(), strict=True)) <= set(pairs)
    assert len(set(pairs)) == len(pairs)
    bounds = [points[a] @ points[b] for a, b in pairs]
    assert all(bound >= least - 2 * module.ROUNDING for bound in bounds)


def test_the_product_of_points_bounds_that_of_vectors() -> None:
    sample = vectors(np.random.default_rng(0), 30, 3, 0.5)
    axes = principal_axes(sample)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-6)
    points = project(sample, axes)
    assert points.shape == (30, 6)
    assert (points @ points.T >= sample @ sample.T - 1e-6).all()
