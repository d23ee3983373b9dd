"""Intensity statistics against NumPy and SciPy."""

import numpy as np
from scipy import stats

from equipoise.features.spectrum import radial_spectrum
from equipoise.features.statistics import DIMENSION, QUANTILES, intensity_statistics


def test_they_are_the_moments_and_quantiles_of_each_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 24, 20)).astype(np.uint8)
    features = intensity_statistics(device="cpu")(images)
    assert features.shape == (5, DIMENSION)
    values = images.reshape(5, 3, -1) / 255
    expected = [
        values.mean(axis=2),
        values.std(axis=2),
        stats.skew(values, axis=2),
        *np.quantile(values, QUANTILES, axis=2),
    ]
    np.testing.assert_allclose(features[:, :24], np.concatenate(expected, axis=1), atol=2e-5)


def test_the_thumbnail_is_the_mean_of_blocks() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 1, 32, 32)).astype(np.uint8)
    thumbnail = intensity_statistics(device="cpu")(images)[:, 24:88]
    blocks = (images[:, 0] / 255).reshape(2, 8, 4, 8, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnail, blocks.reshape(2, 64), atol=1e-6)


def test_the_rest_is_the_radial_spectrum() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, 1, 32, 32)).astype(np.uint8)
    rings = intensity_statistics(device="cpu")(images)[:, 88:]
    np.testing.assert_allclose(rings, radial_spectrum(device="cpu")(images), atol=1e-6)


def test_a_constant_image_has_finite_features() -> None:
    features = intensity_statistics(device="cpu")(np.full((1, 3, 16, 16), 255, dtype=np.uint8))
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features[0, 3:9], 0.0, atol=1e-6)  # deviation and skewness
