"""Latents of new images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.resampling.vae.latents import (
    MODES,
    Encoded,
    LatentRequest,
    between,
    class_gaussian,
    posterior,
    prior,
)

SIZES = (7, 5)  # of two classes, their images mixed


@pytest.fixture
def encoded() -> Encoded:
    return make_encoded()


def make_encoded(d: int = 6) -> Encoded:
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([0, 1], SIZES)).astype(np.int64)
    mean = rng.normal(size=(len(codes), d)).astype(np.float32) + 3 * codes[:, None].astype(
        np.float32
    )
    return Encoded(mean, rng.normal(-1, 1, size=(len(codes), d)).astype(np.float32), codes)


def request(n: int, *, code: int = 1, seed: int = 0, temperature: float = 1.0) -> LatentRequest:
    return LatentRequest(code, n, seed, temperature)


@pytest.mark.parametrize("mode", MODES)
def test_as_many_as_requested_the_same_for_the_same_seed(mode: str, encoded: Encoded) -> None:
    if mode in ("borderline_smote", "adasyn"):  # which need classes that touch
        encoded = Encoded(
            encoded.mean - 3 * encoded.codes[:, None].astype(np.float32),
            encoded.log_variance,
            encoded.codes,
        )
    sample = MODES[mode](encoded, request(13))
    assert sample.latents.shape == (13, 6)
    assert sample.latents.dtype == np.float32
    assert len(sample.sources) == 13
    again, other = MODES[mode](encoded, request(13)), MODES[mode](encoded, request(13, seed=1))
    np.testing.assert_array_equal(sample.latents, again.latents)
    assert not np.array_equal(sample.latents, other.latents)


@pytest.mark.parametrize("mode", ["posterior", "interpolate", "class_gaussian", "prior"])
def test_the_first_do_not_depend_on_the_number_requested(mode: str, encoded: Encoded) -> None:
    many, few = MODES[mode](encoded, request(40)), MODES[mode](encoded, request(9))
    np.testing.assert_array_equal(many.latents[:9], few.latents)


@given(st.integers(1, 60), st.integers(0, 1), st.integers(0, 5))
def test_images_are_used_equally_often_up_to_one(n: int, code: int, seed: int) -> None:
    encoded = make_encoded()
    for mode in (posterior, between):
        first = mode(encoded, request(n, code=code, seed=seed)).sources[:, 0]
        counts = np.bincount(first, minlength=len(encoded.codes))
        assert set(np.flatnonzero(counts)) <= set(np.flatnonzero(encoded.codes == code))
        members = counts[encoded.codes == code]
        assert members.max() - members.min() <= 1
        assert members.sum() == n


def test_posterior_at_temperature_0_gives_the_means(encoded: Encoded) -> None:
    sample = posterior(encoded, request(11, temperature=0.0))
    latents, sources = sample.latents, sample.sources
    np.testing.assert_array_equal(latents, encoded.mean[sources[:, 0]])


def test_posterior_has_the_spread_of_each_image_times_the_temperature(encoded: Encoded) -> None:
    sample = posterior(encoded, request(20_000, temperature=0.5))
    latents, sources = sample.latents, sample.sources
    row = np.flatnonzero(encoded.codes == 1)[0]
    around = latents[sources[:, 0] == row]
    np.testing.assert_allclose(around.mean(axis=0), encoded.mean[row], atol=0.06)
    np.testing.assert_allclose(
        around.std(axis=0) / np.exp(encoded.log_variance[row] / 2), 0.5, rtol=0.05
    )


def test_points_between_two_images_lie_on_the_segment(encoded: Encoded) -> None:
    sample = between(encoded, request(200, temperature=0.0))
    latents, sources = sample.latents, sample.sources
    first, second = encoded.mean[sources[:, 0]], encoded.mean[sources[:, 1]]
    assert (sources[:, 0] != sources[:, 1]).all()
    assert set(encoded.codes[sources.ravel()]) == {1}
    shares = ((latents - first) * (second - first)).sum(axis=1) / ((second - first) ** 2).sum(
        axis=1
    )
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert 0.4 < shares.mean() < 0.6
    np.testing.assert_allclose(latents, first + shares[:, None] * (second - first), atol=1e-5)


def test_every_other_image_can_be_the_partner(encoded: Encoded) -> None:
    pairs = {tuple(pair) for pair in between(encoded, request(400)).sources.tolist()}
    assert len(pairs) == 5 * 4


def test_the_class_gaussian_has_the_moments_of_the_aggregate(encoded: Encoded) -> None:
    members = encoded.codes == 1
    sample = class_gaussian(encoded, request(20_000))
    latents, sources = sample.latents, sample.sources
    variance = encoded.mean[members].var(axis=0) + np.exp(encoded.log_variance[members]).mean(
        axis=0
    )
    np.testing.assert_allclose(latents.mean(axis=0), encoded.mean[members].mean(axis=0), atol=0.06)
    np.testing.assert_allclose(latents.var(axis=0), variance, rtol=0.05)
    assert sources.shape == (20_000, 0)


def test_the_prior_is_standard_normal_whatever_the_class(encoded: Encoded) -> None:
    latents = prior(encoded, request(20_000)).latents
    np.testing.assert_allclose(latents.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(latents.std(axis=0), 1.0, rtol=0.03)


def test_neighbors_lie_between_means_of_the_class(encoded: Encoded) -> None:
    latents = MODES["smote"](encoded, request(50)).latents
    members = encoded.mean[encoded.codes == 1]
    assert (latents >= members.min(axis=0) - 1e-6).all()
    assert (latents <= members.max(axis=0) + 1e-6).all()
