"""Distances between surfaces: closed forms, MONAI, and empty masks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice

from equipoise.metrics.surface import Mask, bounding_box, surface_distances, surface_points

EMPTY = np.zeros((4, 5, 6), dtype=bool)
SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.5, 0.7)]
masks = arrays(np.bool_, (4, 5, 6))


def cube(z: int, y: int, x: int, *, side: int = 6) -> Mask:
    mask = np.zeros((18, 18, 18), dtype=bool)
    mask[z : z + side, y : y + side, x : x + side] = True
    return mask


def voxel(*place: int) -> Mask:
    mask = EMPTY.copy()
    mask[place] = True
    return mask


@pytest.mark.parametrize("shift", [0, 1, 2, 5, 6, 11])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_cubes_shifted_by_d_voxels_are_d_spacings_apart(shift: int, axis: int) -> None:
    """A face, 16 % of the surface, lies d spacings from the other cube, nothing farther."""
    spacing = (3.0, 0.5, 0.7)
    place = [0, 0, 0]
    place[axis] = shift
    distances = surface_distances(truth=cube(0, 0, 0), prediction=cube(*place), spacing_mm=spacing)
    assert distances.hd95_mm == pytest.approx(shift * spacing[axis])
    assert distances.nsd(tolerance_mm=shift * spacing[axis]) == 1


def test_single_voxels_are_as_far_apart_as_pythagoras_says() -> None:
    distances = surface_distances(
        truth=voxel(0, 0, 0), prediction=voxel(1, 2, 2), spacing_mm=(2.0, 1.0, 0.5)
    )
    assert distances.hd95_mm == 3  # sqrt(4 + 4 + 1)
    assert distances.nsd(tolerance_mm=3) == 1
    assert distances.nsd(tolerance_mm=2.99) == 0


def test_the_larger_directed_percentile_counts_not_that_of_both_directions_together() -> None:
    line = np.zeros((1, 21), dtype=bool)
    line[0, 0] = True
    distances = surface_distances(truth=line, prediction=np.ones_like(line), spacing_mm=(1.0, 1.0))
    # 0, ..., 20 one way and 0 the other; both pooled would give 18.95.
    assert distances.hd95_mm == pytest.approx(19)
    assert distances.nsd() == pytest.approx(3 / 22)  # voxels 0 and 1 one way, 0 the other


def test_ten_steps_of_a_tenth_are_within_a_millimeter_despite_rounding() -> None:
    line = np.zeros((1, 40), dtype=bool)
    truth, prediction = line.copy(), line.copy()
    truth[0, 13] = True
    prediction[0, 23] = True
    distances = surface_distances(truth=truth, prediction=prediction, spacing_mm=(1.0, 0.1))
    assert distances.from_truth[0] > 1  # 23 * 0.1 - 13 * 0.1
    assert distances.nsd() == 1


def test_both_empty_is_right_and_one_empty_has_no_distance() -> None:
    both = surface_distances(truth=EMPTY, prediction=EMPTY, spacing_mm=SPACINGS[0])
    assert (both.hd95_mm, both.nsd()) == (0, 1)
    for truth, prediction in ((EMPTY, voxel(1, 1, 1)), (voxel(1, 1, 1), EMPTY)):
        distances = surface_distances(truth=truth, prediction=prediction, spacing_mm=SPACINGS[0])
        assert math.isnan(distances.hd95_mm)
        assert distances.nsd() == 0


def test_the_surface_of_a_cube_is_all_but_its_inside_and_the_image_border_is_outside() -> None:
    assert len(surface_points(cube(3, 4, 5), (1, 1, 1))) == 6**3 - 4**3
    assert len(surface_points(cube(0, 0, 0), (1, 1, 1))) == 6**3 - 4**3
    assert len(surface_points(EMPTY, (1, 1, 1))) == 0


@given(masks)
@settings(max_examples=30, deadline=None)
def test_nothing_of_a_mask_lies_outside_its_box_and_every_side_touches(mask: Mask) -> None:
    box = bounding_box(mask)
    places = np.argwhere(mask)
    if not len(places):
        assert mask[box].size == 0
        return
    assert [side.start for side in box] == places.min(axis=0).tolist()
    assert [side.stop - 1 for side in box] == places.max(axis=0).tolist()


# MONAI itself passes an argument that it deprecates.
@pytest.mark.filterwarnings("ignore::FutureWarning:monai")
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_agrees_with_monai(share: float, spacing: tuple[float, float, float]) -> None:
    truth, prediction = np.random.default_rng(0).random((2, 8, 9, 10)) < share
    distances = surface_distances(truth=truth, prediction=prediction, spacing_mm=spacing)
    y, y_pred = (torch.from_numpy(mask[None, None]) for mask in (truth, prediction))
    hd95 = compute_hausdorff_distance(
        y_pred, y, include_background=True, percentile=95, spacing=spacing
    )
    assert distances.hd95_mm == pytest.approx(float(hd95), rel=1e-5)
    nsd = compute_surface_dice(y_pred, y, [1.0 + 1e-6], include_background=True, spacing=spacing)
    assert distances.nsd() == pytest.approx(float(nsd), rel=1e-5)


@given(masks, masks)
@settings(max_examples=30, deadline=None)
def test_swapped_masks_are_as_far_apart(first: Mask, second: Mask) -> None:
    there = surface_distances(truth=first, prediction=second, spacing_mm=SPACINGS[1])
    back = surface_distances(truth=second, prediction=first, spacing_mm=SPACINGS[1])
    np.testing.assert_equal((there.hd95_mm, there.nsd()), (back.hd95_mm, back.nsd()))
    assert 0 <= there.nsd() <= 1
    assert not there.hd95_mm < 0
