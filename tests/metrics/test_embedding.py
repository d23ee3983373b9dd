"""Points keep their labels, embeddings are repeatable, mixing by hand and simulated."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from equipoise.exceptions import DataError, SettingError
from equipoise.metrics import embedding
from equipoise.metrics.embedding import (
    Embedding,
    embed,
    mixing,
    perplexity_for,
    reduced,
    standardized,
)

needs_umap = pytest.mark.skipif(
    not embedding.has_umap(), reason="the optional library umap-learn is not installed"
)


def three_groups(
    sizes: tuple[int, ...] = (60, 30, 30), d: int = 8, apart: float = 12.0
) -> dict[str, Any]:
    """Draw real training, real held-out (around 0) and synthetic rows (elsewhere), shuffled."""
    rng = np.random.default_rng(0)
    part = rng.permutation(np.repeat(np.arange(3), sizes)).astype(np.int64)
    features = rng.normal(size=(len(part), d))
    features[part == 2, 0] += apart
    return {
        "features": features,
        "part": part,
        "label": rng.integers(3, size=len(part)),
        "method": np.where(part == 2, 0, -1),
    }


def side_of(points: NDArray[Any], where: NDArray[np.bool_]) -> float:
    """Compute the accuracy of nearest neighbors in the plane at separating the groups."""
    return float(KNeighborsClassifier(5).fit(points, where).score(points, where))


@pytest.mark.parametrize("how", ["tsne", pytest.param("umap", marks=needs_umap)])
def test_labels_stay_with_their_rows_and_the_last_hundred_real_images_stay_real(how: str) -> None:
    """Three classes, and the script of Sharma et al. for four, which ends with 100 synthetic rows.

    Here the last 100 rows are real, and the synthetic ones come first. Colored by position the real
    ones would be called synthetic; with labels stored by row, each synthetic point lies with the
    synthetic rows.
    """
    rng = np.random.default_rng(1)
    part = np.concatenate([np.full(40, 2), np.zeros(60), np.ones(60)]).astype(np.int64)
    features = rng.normal(size=(160, 6))
    features[:40, 0] += 30
    label = np.arange(160) % 3
    embedded = embed(features, part=part, label=label, method=np.where(part == 2, 0, -1), how=how)
    synthetic = embedded.where(part=2)
    np.testing.assert_array_equal(synthetic, embedded.points[:40])
    assert side_of(embedded.points, embedded.part == 2) == 1.0
    by_position = np.arange(160) >= 60  # the published script: the last 100 are "fake"
    assert (by_position & (embedded.part < 2)).sum() == 100
    assert side_of(embedded.points, by_position) < 0.9
    assert len(embedded.where(part=2, label=1)) == (label[:40] == 1).sum()


@pytest.mark.parametrize("how", ["tsne", pytest.param("umap", marks=needs_umap)])
def test_the_same_seed_gives_the_same_points_whatever_the_global_state(how: str) -> None:
    rows = three_groups((20, 12, 12))
    first = embed(**rows, how=how, seed=3)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    second = embed(**rows, how=how, seed=3)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)  # noqa: NPY002
    assert first.points.dtype == np.float32
    assert first.points.shape == (44, 2)


@pytest.mark.parametrize("how", ["tsne", pytest.param("umap", marks=needs_umap)])
@pytest.mark.parametrize("d", [1, 3])
def test_features_that_hardly_differ_are_embedded(how: str, d: int) -> None:
    codes = np.zeros(7, dtype=np.int64)
    features = np.ones((7, d))
    features[3] = 2.0
    embedded = embed(features, part=codes, label=codes, method=codes, how=how)
    assert np.isfinite(embedded.points).all()


def test_constant_features_are_embedded() -> None:
    codes = np.zeros(6, dtype=np.int64)
    embedded = embed(np.ones((6, 4)), part=codes, label=codes, method=codes)
    assert np.isfinite(embedded.points).all()


@pytest.mark.parametrize(("n", "perplexity"), [(5, 4 / 3), (31, 10), (91, 30), (5000, 30)])
def test_the_perplexity_follows_the_number_of_rows(n: int, perplexity: float) -> None:
    assert perplexity_for(n) == pytest.approx(perplexity)
    assert perplexity_for(n) < n  # scikit-learn refuses others


def test_features_are_standardized_and_reduced_to_fifty_components() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 70)) * np.geomspace(1e-6, 1e6, 70) + 5
    features[:, 4] = 3.0
    scaled = standardized(features)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.delete(scaled, 4, axis=1).std(axis=0), 1)
    assert not scaled[:, 4].any()
    np.testing.assert_allclose(standardized(features[:9], features), scaled[:9])
    components = reduced(features)
    assert components.shape == (80, 50)
    variances = np.sort(np.linalg.eigvalsh(np.cov(scaled.T)))[::-1][:50]
    np.testing.assert_allclose(components.var(axis=0, ddof=1), variances, rtol=1e-6)
    assert reduced(features[:6, :3]).shape == (6, 3)


def test_bad_rows_are_refused() -> None:
    rows = three_groups((4, 3, 3))
    with pytest.raises(DataError, match=r"5.*\(4, 8\)"):
        embed(**{name: column[:4] for name, column in rows.items()})
    with pytest.raises(DataError, match="finite"):
        embed(**{**rows, "features": rows["features"] * np.nan})
    with pytest.raises(DataError, match=r"10 rows.*9, 10 and 10"):
        embed(**{**rows, "part": rows["part"][:-1]})
    with pytest.raises(SettingError, match="tsne"):
        embed(**rows, how="tSNE")


def test_umap_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "has_umap", lambda: False)
    with pytest.raises(SettingError, match=r"equipoise\[umap\]"):
        embed(**three_groups((4, 3, 3)), how="umap")


def test_mixing_by_hand() -> None:
    """On a line: 0 and 0.1 of A, 1 of B beside 1.2 of A, 5 and 5.1 of B."""
    features = np.array([[0.0], [0.1], [1.0], [1.2], [5.0], [5.1]])
    result = mixing(features, np.array([0, 0, 1, 0, 1, 1]))
    assert result.share == pytest.approx(2 / 6)
    assert result.chance == pytest.approx(3 / 5)
    assert result.n == 6


def test_chance_is_the_mean_over_random_labels() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 3))
    part = np.repeat([0, 1, 2], [25, 10, 5])
    shares = [mixing(features, rng.permutation(part)).share for _ in range(150)]
    error = np.std(shares) / np.sqrt(150)
    assert np.mean(shares) == pytest.approx(mixing(features, part).chance, abs=4 * error)
    assert error < 0.01


def test_parts_of_one_cloud_mix_distant_ones_do_not_and_copies_mix_too_well() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    part = np.repeat([0, 1], 200)
    assert mixing(np.concatenate([first, second]), part).share == pytest.approx(0.5, abs=0.08)
    assert mixing(np.concatenate([first, second + 20]), part).share == 0
    copies = first + 1e-6 * second
    assert mixing(np.concatenate([first, copies]), part).share == 1


@given(st.integers(0, 2**32 - 1), st.permutations(range(12)))
def test_mixing_depends_neither_on_the_order_nor_on_the_scale(seed: int, order: list[int]) -> None:
    features = np.random.default_rng(seed).normal(size=(12, 3))
    part = np.arange(12) % 3
    result = mixing(features, part)
    assert mixing(features[order] * 7 + 1, part[order]) == result
    assert 0 <= result.share <= 1


def test_mixing_needs_two_parts() -> None:
    with pytest.raises(DataError, match=r"two parts.*1"):
        mixing(np.zeros((4, 2)), np.zeros(4, dtype=np.int64))


def test_points_are_selected_by_their_labels() -> None:
    points = np.arange(8, dtype=np.float32).reshape(4, 2)
    columns = [np.array(codes) for codes in ([0, 1, 2, 2], [0, 1, 1, 0], [-1, -1, 0, 1])]
    embedded = Embedding(
        points=points, part=columns[0], label=columns[1], method=columns[2], settings={}
    )
    assert embedded.where(part=2).tolist() == [[4, 5], [6, 7]]
    assert embedded.where(part=2, method=1).tolist() == [[6, 7]]
    assert embedded.where(label=1, method=-1).tolist() == [[2, 3]]
    assert embedded.where(part=5).shape == (0, 2)
