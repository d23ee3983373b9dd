"""The brain in a scan, and its intensities."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from equipoise.data.volumes.brain import correct_bias, find_background, find_brain, normalize
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, plain_geometry

IMAGE = draw_case()[1]


def test_background_need_not_be_zero() -> None:
    """In the files of BraTS 2013 that we have, it is a constant near -3 to -6."""
    assert find_background(IMAGE) == 0
    shifted = (IMAGE / 300 - 5.342541217803955).astype(np.float32)
    background = find_background(shifted)
    assert background == shifted[0, 0, 0] < 0
    np.testing.assert_array_equal(find_brain([shifted]), IMAGE > 0)


def test_noise_has_no_background_and_is_all_brain() -> None:
    noise = np.random.default_rng(0).normal(size=(6, 8, 10))
    assert find_background(noise) is None
    assert find_brain([noise]).all()


def test_brain_is_where_any_modality_shows_something() -> None:
    first, second = IMAGE.copy(), IMAGE.copy()
    first[2] = 0
    second[3] = 0
    np.testing.assert_array_equal(find_brain([first, second]), IMAGE > 0)


def test_normalizing_against_scipy() -> None:
    brain = IMAGE > 0
    normal = normalize(IMAGE, brain)
    inside = IMAGE[brain].astype(float)
    low, high = stats.scoreatpercentile(inside, [1, 99])
    reference = stats.zscore(np.minimum(np.maximum(inside, low), high))
    np.testing.assert_allclose(normal[brain], reference, atol=2e-3)  # 16 bits
    assert normal.dtype == np.float16
    assert not normal[~brain].any()


def test_one_bright_voxel_does_not_set_the_scale() -> None:
    brain, bright = IMAGE > 0, IMAGE.astype(float)
    bright[2, 2, 2] = 1e9
    assert np.abs(normalize(bright, brain)).max() < 4


def test_an_image_that_is_the_same_everywhere_is_refused() -> None:
    with pytest.raises(DataError, match="is 3 everywhere"):
        normalize(np.where(IMAGE > 0, 3, 0), IMAGE > 0)


def test_n4_removes_a_smooth_field() -> None:
    """Of a field of -20 to +20 % over a brain of two tissues, less than a third remains."""
    shape = (12, 32, 32)
    _, y, x = np.indices(shape)
    brain = (x - 15.5) ** 2 + (y - 15.5) ** 2 < 14**2
    tissue = np.where((x - 15.5) ** 2 + (y - 15.5) ** 2 < 8**2, 100.0, 150.0)
    tissue *= brain * np.random.default_rng(0).normal(1, 0.02, shape)
    field = np.exp(0.2 * (x - 15.5) / 14)
    geometry = plain_geometry(shape)
    corrected = correct_bias((tissue * field).astype(np.float32), brain, geometry)

    def unevenness(image: NDArray[Any]) -> float:
        return float(np.std(np.log(image[brain] / tissue[brain])))

    assert unevenness(corrected) < unevenness(tissue * field) / 3
    assert not corrected[~brain].any()


def test_n4_refuses_normalized_images() -> None:
    geometry = plain_geometry(IMAGE.shape)
    with pytest.raises(DataError, match=r"negative .*raw .*n4"):
        correct_bias(IMAGE - 500.0, IMAGE > 0, geometry)
