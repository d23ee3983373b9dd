"""Shapes of drawn tumors: numbers of voxels as asked, parts where they belong, nothing written over."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from equipoise.data.phantoms.brain_shapes import (
    EDEMA,
    ENHANCING,
    NECROSIS,
    NON_ENHANCING,
    Brain,
    Codes,
    Head,
    Lesion,
    draw_brain,
    draw_lesion,
)
from equipoise.data.phantoms.drawing import Chance

HIGH = Lesion("first", necrosis=60, edema=300, non_enhancing=50, enhancing=80)
LOW = Lesion("second", necrosis=0, edema=100, non_enhancing=70, enhancing=0)


def drawn(patient: int, *lesions: Lesion) -> tuple[Head, Brain, Codes]:
    head = Head(Chance("lesions", patient), (12, 32, 32))
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    for lesion in lesions:
        draw_lesion(head, brain, codes, lesion)
    return head, brain, codes


@pytest.mark.parametrize("patient", range(6))
def test_parts_have_the_number_of_voxels_that_was_asked_for(patient: int) -> None:
    _, brain, codes = drawn(patient, HIGH)
    assert np.bincount(codes.ravel(), minlength=5)[1:].tolist() == [60, 300, 50, 80]
    assert not codes[~brain.mask | brain.ventricles].any()


@pytest.mark.parametrize("patient", range(6))
def test_a_second_tumor_leaves_the_first_as_it_is(patient: int) -> None:
    _, _, first = drawn(patient, HIGH)
    _, _, both = drawn(patient, HIGH, LOW)
    np.testing.assert_array_equal(both[first > 0], first[first > 0])
    assert np.bincount(both.ravel(), minlength=5)[1:].tolist() == [60, 400, 120, 80]


def test_enhancing_tumor_surrounds_necrosis_and_edema_is_outside() -> None:
    """Mean distances to necrosis, over patients: enhancing, then non-enhancing, then edema."""
    means = []
    for patient in range(6):
        head, _, codes = drawn(patient, HIGH)
        away = distance_transform_edt(codes != NECROSIS, sampling=head.spacing_mm)
        means.append([away[codes == code].mean() for code in (ENHANCING, NON_ENHANCING, EDEMA)])
    near, middle, far = np.mean(means, axis=0)
    assert near < middle < far


def test_shapes_are_irregular_but_hang_together() -> None:
    """A ball of 490 voxels has a smaller surface than a tumor of as many; few voxels of it stand alone."""
    for patient in range(6):
        _, _, codes = drawn(patient, HIGH)
        whole = codes > 0
        z, y, x = np.indices((12, 32, 32)) - np.array([6, 16, 16]).reshape(3, 1, 1, 1)
        distance = (2 * z) ** 2 + y**2 + x**2
        ball = distance <= np.sort(distance.ravel())[489]
        assert (binary_dilation(whole) & ~whole).sum() > (binary_dilation(ball) & ~ball).sum()
        alone = whole & ~binary_dilation(whole, structure=_around())
        assert alone.sum() <= 10


def _around() -> np.ndarray:
    """The 26 neighbors of a voxel, without itself."""
    structure = np.ones((3, 3, 3), dtype=bool)
    structure[1, 1, 1] = False
    return structure
