import numpy as np

from equipoise.features.pixels import pixels


def test_standardized_averages() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(4, 3, 32, 32), dtype=np.uint8)
    small = images.reshape(4, 3, 16, 2, 16, 2).mean(axis=(3, 5)).reshape(4, -1)
    expected = (small - small.mean(axis=1, keepdims=True)) / small.std(axis=1, keepdims=True)
    np.testing.assert_allclose(pixels(device="cpu")(images), expected, atol=1e-4)


def test_brightness_and_contrast_are_ignored_and_a_constant_image_is_zero() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 100, size=(1, 1, 16, 16), dtype=np.uint8)
    images = np.concatenate([image, 2 * image + 30, np.full_like(image, 200)])
    features = pixels(device="cpu")(images)
    np.testing.assert_allclose(features[1], features[0], atol=1e-5)
    np.testing.assert_allclose(features[2], 0, atol=1e-3)
