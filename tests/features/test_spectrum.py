"""The radial power spectrum: a plain NumPy reference, and what it sees of changed images."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal.windows import hann

from equipoise.data.phantoms.datasets import chest_films
from equipoise.features.spectrum import DIMENSION, radial_spectrum, ring_weights

FILMS = chest_films((24, 1), size=64, seed=1).images[:24]


def features(values: NDArray[np.float64]) -> NDArray[np.float32]:
    images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return radial_spectrum(device="cpu")(images)


def test_it_is_that_of_numpy_in_rings_written_out() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(2, 3, 24, 32), dtype=np.uint8)
    unit = images / 255
    window = np.outer(hann(26)[1:-1], hann(34)[1:-1])
    centered = (unit - unit.mean(axis=(2, 3), keepdims=True)) * window
    power = np.mean(np.abs(np.fft.fft2(centered)) ** 2, axis=1) / np.sum(window**2)
    expected = np.empty((2, DIMENSION))
    reach = 1 / 24  # the step of frequencies is wider than a ring
    for ring in range(DIMENSION):
        center = np.sqrt(0.5) * (ring + 1) / DIMENSION
        total, of_power = 0.0, np.zeros(2)
        for i, v in enumerate(np.fft.fftfreq(24)):
            for j, u in enumerate(np.fft.fftfreq(32)):
                weight = max(0.0, 1 - abs(np.hypot(u, v) - center) / reach) * (i + j > 0)
                total += weight
                of_power += weight * power[:, i, j]
        expected[:, ring] = (np.log10(of_power / total + 1e-6) + 4) / 2
    np.testing.assert_allclose(radial_spectrum(device="cpu")(images), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(12, 12), (16, 40), (64, 64), (255, 256)])
def test_no_ring_is_empty_whatever_the_size(size: tuple[int, int]) -> None:
    weights = ring_weights(*size).numpy()
    assert weights.shape == (size[0] * size[1], DIMENSION)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert (weights >= 0).all()
    assert (weights[0] == 0).all()


def test_white_noise_is_flat_at_its_variance_and_a_constant_image_is_at_the_floor() -> None:
    rng = np.random.default_rng(0)
    noise = features(128 + rng.normal(0, 25.5, size=(40, 1, 64, 64))).mean(axis=0)
    # The last ring has few frequencies: the mean of a logarithm is below that of the power.
    np.testing.assert_allclose(noise[:-1], (np.log10(0.01) + 4) / 2, atol=0.05)
    constant = features(np.full((1, 1, 64, 64), 90.0))
    np.testing.assert_allclose(constant, (np.log10(1e-6) + 4) / 2, atol=1e-3)


def test_checkerboards_noise_and_blur_change_the_high_frequencies_alone() -> None:
    real = features(FILMS.astype(np.float64))
    spread = real.std(axis=0)
    board = np.indices((64, 64)).sum(axis=0) % 2 * 8.0
    rng = np.random.default_rng(0)
    changes = {
        "board": FILMS + board,
        "noise": FILMS + rng.normal(0, 8, FILMS.shape),
        "blur": gaussian_filter(FILMS.astype(np.float64), (0, 0, 1, 1)),
    }
    for name, images in changes.items():
        shift = np.abs(features(images).mean(axis=0) - real.mean(axis=0)) / spread
        assert shift[-1 if name == "board" else 24] > 3, name
        assert (shift[:2] < 1).all(), name


def test_shifts_and_mirrors_of_a_periodic_image_are_not_seen() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(128, 20, size=(1, 1, 32, 32))
    mirrored = np.concatenate([image, image[..., ::-1], image[..., ::-1, :]])
    found = features(mirrored)
    np.testing.assert_allclose(found[1:], found[[0, 0]], atol=2e-3)
