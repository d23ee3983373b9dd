"""Padded, cropped or stretched to a square, in the storage type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from equipoise.arrays import Images
from equipoise.data.images.resizing import FILTERS, FITS, resize

DTYPES = (np.uint8, np.uint16, np.float32)


SIDES = st.integers(4, 40)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.sampled_from([1, 3]), SIDES, SIDES),
    size=st.integers(8, 48),
    dtype=st.sampled_from(DTYPES),
    fit=st.sampled_from(FITS),
    resample=st.sampled_from(sorted(FILTERS)),
)
def test_shape_and_type_hold_and_constants_stay(
    shape: tuple[int, int, int], size: int, dtype: type, fit: str, resample: str
) -> None:
    image: Images = np.full(shape, 200, dtype=dtype)
    resized = resize(image, size, fit=fit, resample=resample)
    assert resized.shape == (shape[0], size, size)
    assert resized.dtype == dtype
    assert set(np.unique(np.rint(resized))) <= {0, 200}
    assert (np.rint(resized).max(axis=(1, 2)) == 200).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_of_the_right_size_is_not_touched(dtype: type) -> None:
    image: Images = np.random.default_rng(0).integers(0, 255, size=(1, 16, 16)).astype(dtype)
    for fit in FITS:
        np.testing.assert_array_equal(resize(image, 16, fit=fit), image)


def test_eight_bits_are_resized_as_pillow_does() -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(3, 40, 40), dtype=np.uint8)
    expected = Image.fromarray(np.moveaxis(image, 0, -1)).resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(
        resize(image, 16, resample="lanczos"), np.moveaxis(np.asarray(expected), -1, 0)
    )


@pytest.mark.parametrize("fit", FITS)
def test_sixteen_bits_agree_with_eight(fit: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, size=(3, 30, 44), dtype=np.uint8)
    deep = resize(image.astype(np.uint16) * 256, 16, fit=fit) / 256
    assert (
        np.abs(deep - resize(image, 16, fit=fit)).max() <= 3
    )  # Pillow rounds 8 bits between its two passes


def test_overshoot_is_clipped_not_wrapped() -> None:
    image = np.zeros((1, 8, 8), dtype=np.uint16)
    image[:, :, 4:] = 65535
    resized = resize(image, 32)
    assert resized[0, 16, 0] == 0
    assert resized[0, 16, -1] == 65535
    assert (np.diff(resized[0, 16, 12:20].astype(int)) >= 0).all()


def test_pad_centers_and_keeps_the_aspect() -> None:
    padded = resize(np.full((1, 10, 20), 9, dtype=np.uint8), 40)
    assert (padded[0, 10:30] == 9).all()
    assert (padded[0, :10] == 0).all()
    assert (padded[0, 30:] == 0).all()


def test_float_is_padded_with_its_lowest_value() -> None:
    image = np.full((1, 10, 20), 0.5, dtype=np.float32)
    image[0, 0, 0] = -3
    assert resize(image, 20)[0, 0, 10] == -3


def test_crop_keeps_the_center() -> None:
    image = np.zeros((1, 10, 30), dtype=np.uint8)
    image[:, :, 10:20] = 7
    assert (resize(image, 20, fit="crop", resample="nearest") == 7).all()


def test_stretch_keeps_all() -> None:
    image = np.zeros((1, 10, 30), dtype=np.uint8)
    image[:, :, 15:] = 100
    stretched = resize(image, 20, fit="stretch", resample="nearest")
    assert (stretched[0, :, :10] == 0).all()
    assert (stretched[0, :, 10:] == 100).all()


def test_reduction_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (1, 64, 32))
    reduced = resize(stripes, 16).astype(int)
    assert np.abs(reduced[:, 2:-2, 2:-2] - 127).max() <= 4
