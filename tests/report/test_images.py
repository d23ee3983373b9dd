"""Contact sheets show the pixels that are stored."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from equipoise.arrays import Images
from equipoise.report.images import LARGEST_SIDE, Sheet, contact_sheet, images_per_sheet


def pixels(sheet: Sheet) -> Images:
    data = base64.b64decode(sheet.uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_eight_bit_images_is_shown(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(5, channels, 28, 20), dtype=np.uint8)
    shown = pixels(contact_sheet(images, (0.0, 255.0))).reshape(57, 83, channels)
    np.testing.assert_array_equal(shown[:28, :20], np.moveaxis(images[0], 0, -1))
    np.testing.assert_array_equal(shown[29:, :20], np.moveaxis(images[4], 0, -1))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_other_types_are_stretched_to_their_span(dtype: str) -> None:
    ramp = np.linspace(100, 4095, 28 * 28).reshape(1, 1, 28, 28).astype(dtype)
    shown = pixels(contact_sheet(ramp, (100.0, 4095.0)))
    assert (shown[0, 0], shown[27, 27]) == (0, 255)


def test_values_beyond_the_span_are_cut() -> None:
    image = np.full((1, 1, 8, 8), 9.0, dtype=np.float32)
    assert pixels(contact_sheet(image, (0.0, 1.0)))[0, 0] == 255


def test_small_images_are_enlarged_by_whole_factors_and_large_ones_reduced() -> None:
    small = contact_sheet(np.zeros((4, 1, 28, 28), dtype=np.uint8), (0.0, 255.0))
    assert (small.zoom, small.width, small.height) == (2, 2 * 115, 2 * 28)
    large = contact_sheet(np.zeros((4, 1, 256, 128), dtype=np.uint8), (0.0, 255.0))
    assert pixels(large).shape == (LARGEST_SIDE, 4 * LARGEST_SIDE // 2 + 3)


def test_a_page_of_many_large_sheets_shows_fewer_images() -> None:
    assert images_per_sheet((1, 28, 28), 6) == 8
    assert images_per_sheet((3, 224, 224), 40) == 4
