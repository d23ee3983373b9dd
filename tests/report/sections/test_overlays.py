"""Heat maps over images: the color's brightness follows the value, and the image beside stays as it is."""

import numpy as np

from equipoise.report.sections.attention import beside_overlays, colored


def test_brightness_grows_with_the_value() -> None:
    colors = colored(np.arange(256, dtype=np.uint8)[None, None])[0, :, 0]
    linear = np.where(
        colors / 255 <= 0.04045, colors / 255 / 12.92, ((colors / 255 + 0.055) / 1.055) ** 2.4
    )
    luminance = np.array([0.2126, 0.7152, 0.0722]) @ linear
    assert (np.diff(luminance) > 0).all()
    assert luminance[0] < 0.03
    assert luminance[-1] > 0.75


def test_image_overlay_image_overlay() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(3, 1, 6, 7), dtype=np.uint8)
    maps, masks = (
        rng.integers(0, 256, size=(3, 6, 7), dtype=np.uint8),
        np.zeros((3, 6, 7), dtype=bool),
    )
    masks[1, 1:5, 1:5] = True
    shown = beside_overlays(images, maps, masks)
    assert shown.shape == (6, 3, 6, 7)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[::2], np.repeat(images, 3, axis=1))
    expected = np.rint(0.5 * colored(maps) + 0.5 * images)
    np.testing.assert_array_equal(shown[1], expected[0])
    edge = masks[1].copy()
    edge[2:4, 2:4] = False
    assert (shown[3][:, edge] == 255).all()
    np.testing.assert_array_equal(shown[3][:, ~edge], expected[1][:, ~edge])


def test_color_images_stay_in_color_beside_the_gray_overlay() -> None:
    image = np.stack([np.full((4, 4), v, dtype=np.uint8) for v in (30, 60, 90)])[None]
    shown = beside_overlays(
        image, np.zeros((1, 4, 4), dtype=np.uint8), np.ones((1, 4, 4), dtype=bool)
    )
    np.testing.assert_array_equal(shown[0], image[0])
    np.testing.assert_array_equal(shown[1, :, 0, 0], np.rint(0.5 * np.array([68, 1, 84]) + 30))
