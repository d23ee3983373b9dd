"""Foregrounds of synthetic scenes, Otsu against OpenCV, shares of a map's mass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.data.phantoms.datasets import cells
from equipoise.exceptions import DataError
from equipoise.metrics.foreground import border_frame, foreground, mass_share, otsu


def disk(
    inside: float, outside: float, *, noise: float = 0.0, hole: bool = False
) -> NDArray[np.uint8]:
    y, x = np.mgrid[:32, :40]
    radius = np.hypot(y - 15, x - 20)
    values = np.where((radius < 9) & ~(hole & (radius < 3)), inside, outside)
    return np.asarray(
        values + noise * np.random.default_rng(0).normal(size=values.shape), dtype=np.uint8
    )[None]


IN_DISK = np.hypot(*(np.mgrid[:32, :40] - np.array([15, 20])[:, None, None])) < 9


@pytest.mark.parametrize(("inside", "outside"), [(200, 30), (60, 220)])
@pytest.mark.parametrize("hole", [False, True])
def test_a_disk_brighter_or_darker_than_its_surroundings_is_foreground_with_its_hole(
    inside: float, outside: float, hole: bool
) -> None:
    mask = foreground(disk(inside, outside, noise=4, hole=hole)[None])
    np.testing.assert_array_equal(mask[0], IN_DISK)


def test_the_background_is_like_most_of_the_border_and_a_bright_corner_is_foreground() -> None:
    image = disk(200, 30)
    image[0, :6, :6] = 210  # a letter
    mask = foreground(image[None])[0]
    assert mask[:6, :6].all()
    assert not mask[0, 10:].any()


def test_an_object_that_fills_the_border_is_taken_for_the_background() -> None:
    """The documented limit: of a chest that fills the film only the dark lungs remain."""
    film = np.full((1, 1, 32, 32), 180, dtype=np.uint8)
    film[:, :, 6:20, 5:12] = film[:, :, 6:20, 20:27] = 40
    np.testing.assert_array_equal(foreground(film)[0], film[0, 0] == 40)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_storage_types_channels_and_a_constant_image(dtype: str) -> None:
    image = np.repeat(disk(200, 30), 3, axis=0).astype(dtype)
    images = np.stack([image, np.full_like(image, 7)])
    mask = foreground(images)
    np.testing.assert_array_equal(mask[0], IN_DISK)
    assert not mask[1].any()
    assert foreground(images[:0]).shape == (0, 32, 40)


def test_cells_are_foreground() -> None:
    """Cells are darker than the slide and lie in its middle."""
    mask = foreground(cells((20, 20), size=48, seed=3).pixels)
    assert mask[:, 20:28, 20:28].mean() > 0.75
    assert mask[:, border_frame((48, 48), width=0)].mean() < 0.25
    assert 0.1 < mask.mean() < 0.9


@pytest.mark.parametrize("seed", range(5))
def test_otsu_equals_that_of_opencv(seed: int) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the reference")
    rng = np.random.default_rng(seed)
    gray = (
        np.concatenate([rng.normal(70, 15, 600), rng.normal(170, 20, 400)])
        .clip(0, 255)
        .astype(np.uint8)
    )
    gray[:2] = 0, 255  # 256 levels of width 255 / 256
    reference, _ = cv2.threshold(gray[None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    np.testing.assert_array_equal(gray > otsu(gray[None].astype(np.float64)), gray > reference)


def test_otsu_between_two_values_is_midway() -> None:
    assert otsu(np.array([[10.0, 10, 10, 90]])) == pytest.approx(50, abs=1)


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_otsu_moves_with_the_values(scale: float, shift: float) -> None:
    gray = np.random.default_rng(0).normal(size=(9, 9))
    assert otsu(gray * scale + shift) == pytest.approx(
        otsu(gray) * scale + shift, rel=1e-6, abs=1e-6
    )


def test_the_frame_is_an_eighth_wide() -> None:
    frame = border_frame((64, 32))
    assert frame[:8].all()
    assert frame[-8:].all()
    assert frame[:, :4].all()
    assert not frame[8:-8, 4:-4].any()
    assert frame.mean() == pytest.approx(1 - (6 / 8) ** 2)
    assert border_frame((3, 3), width=0).sum() == 8


def test_a_constant_map_has_the_share_of_the_area() -> None:
    rng = np.random.default_rng(0)
    region = rng.random((4, 8, 9)) < 0.3
    np.testing.assert_allclose(
        mass_share(np.full((4, 8, 9), 0.2), region), region.mean(axis=(1, 2))
    )


def test_shares_by_hand() -> None:
    maps = np.array([[[1.0, 3], [0, 0]], [[0, 0], [0, 2]], [[0, 0], [0, 0]]])
    left = np.array([[True, False], [True, False]])
    assert mass_share(maps, left).tolist() == pytest.approx([0.25, 0.0, np.nan], nan_ok=True)
    nothing = np.zeros((3, 2, 2), dtype=bool)
    assert np.isnan(mass_share(maps, nothing)).all()


@given(st.integers(0, 2**32 - 1))
def test_shares_of_a_region_and_of_the_rest_add_up_to_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, region = rng.random((3, 5, 6)), rng.random((3, 5, 6)) < 0.5
    region[:, 0, 0], region[:, 0, 1] = True, False
    inside, outside = mass_share(maps, region), mass_share(maps, ~region)
    assert ((inside >= 0) & (inside <= 1)).all()
    np.testing.assert_allclose(inside + outside, 1)
    np.testing.assert_allclose(mass_share(7 * maps, region), inside)


def test_bad_maps_are_refused() -> None:
    maps, region = np.ones((2, 4, 4)), np.ones((2, 4, 4), dtype=bool)
    with pytest.raises(DataError, match=r"-1.0"):
        mass_share(-maps, region)
    with pytest.raises(DataError, match=r"\(2, 4, 4\) and \(1, 4, 4\)"):
        mass_share(maps, region[:1])
