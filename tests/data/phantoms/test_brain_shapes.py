"""Shapes of drawn brains (fields, ellipsoids, ranks, tissues) and of their tumors."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from equipoise.data.phantoms.brain_shapes import (
    CSF,
    EDEMA,
    ENHANCING,
    GRAY,
    NECROSIS,
    NON_ENHANCING,
    SPOT,
    VESSEL,
    WHITE,
    Brain,
    Codes,
    Head,
    Lesion,
    draw_brain,
    draw_lesion,
    highest,
)
from equipoise.data.phantoms.drawing import NamedRandom


def head(patient: int = 0, shape: tuple[int, int, int] = (12, 32, 32)) -> Head:
    return Head(NamedRandom("test", patient), shape)


@pytest.fixture(scope="module")
def brains() -> list[Brain]:
    return [draw_brain(head(patient)) for patient in range(6)]


def test_highest_takes_as_many_as_requested() -> None:
    field = np.array([[[5.0, 1.0, 4.0, 9.0]]])
    within = np.array([[[True, True, True, False]]])
    assert highest(field, within, 2).tolist() == [[[True, False, True, False]]]
    assert highest(field, within, 0).sum() == 0
    assert highest(field, within, 9).tolist() == within.tolist()


def test_fields_have_mean_0_and_deviation_1_and_neighbors_are_alike() -> None:
    fields = np.stack([head(patient).field("any", 24) for patient in range(200)])
    assert abs(fields.mean()) < 0.02
    assert abs(fields.std() - 1) < 0.02
    near, far = (
        np.corrcoef(fields[..., 8].ravel(), fields[..., 8 + step].ravel())[0, 1] for step in (1, 16)
    )
    assert near > 0.85  # 6 mm of hills 24 mm apart
    assert abs(far) < 0.05


def test_voxels_are_measured_from_the_middle_of_the_head() -> None:
    centered = head()
    assert centered.spacing_mm == (12.0, 6.0, 6.0)
    for axis, extent, step in zip(centered.at, (144, 192, 192), centered.spacing_mm, strict=True):
        assert axis.min() == -axis.max() == -(extent - step) / 2
    level = centered.level((6, 3, 3), (12, 30, 60))
    values = [level[6, 16, 16], level[7, 16, 16], level[6, 21, 16], level[6, 16, 26]]
    np.testing.assert_allclose(values, [1, 0, 0, 0], atol=1e-12)
    assert level[6, 22, 16] < 0


def test_every_brain_has_all_tissues(brains: list[Brain]) -> None:
    for brain in brains:
        inside = brain.tissue[brain.mask]
        shares = np.bincount(inside, minlength=5) / len(inside)
        assert (shares[[CSF, GRAY, WHITE, VESSEL, SPOT]] > 0).all()
        assert 0.4 < shares[WHITE] < 0.8
        assert shares[GRAY] > 0.1
        assert max(shares[VESSEL], shares[SPOT]) < 0.1


def test_ventricles_are_fluid_on_both_sides_within_the_brain(brains: list[Brain]) -> None:
    for brain in brains:
        assert not (brain.ventricles & ~brain.mask).any()
        assert set(np.unique(brain.tissue[brain.ventricles]).tolist()) <= {CSF, VESSEL}
        assert brain.ventricles[..., :16].any()
        assert brain.ventricles[..., 16:].any()


def test_patients_differ(brains: list[Brain]) -> None:
    sizes = [int(brain.mask.sum()) for brain in brains]
    assert len(set(sizes)) == len(sizes)
    assert max(sizes) > 1.05 * min(sizes)


# ---- tumors ----

HIGH = Lesion("first", necrosis=60, edema=300, non_enhancing=50, enhancing=80)
LOW = Lesion("second", necrosis=0, edema=100, non_enhancing=70, enhancing=0)


def draw(patient: int, *lesions: Lesion) -> tuple[Head, Brain, Codes]:
    head = Head(NamedRandom("lesions", patient), (12, 32, 32))
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    for lesion in lesions:
        draw_lesion(head, brain, codes, lesion)
    return head, brain, codes


@pytest.mark.parametrize("patient", range(6))
def test_parts_have_the_requested_number_of_voxels(patient: int) -> None:
    _, brain, codes = draw(patient, HIGH)
    assert np.bincount(codes.ravel(), minlength=5)[1:].tolist() == [60, 300, 50, 80]
    assert not codes[~brain.mask | brain.ventricles].any()


@pytest.mark.parametrize("patient", range(6))
def test_a_second_tumor_leaves_the_first_as_it_is(patient: int) -> None:
    _, _, first = draw(patient, HIGH)
    _, _, both = draw(patient, HIGH, LOW)
    np.testing.assert_array_equal(both[first > 0], first[first > 0])
    assert np.bincount(both.ravel(), minlength=5)[1:].tolist() == [60, 400, 120, 80]


def test_enhancing_tumor_surrounds_necrosis_and_edema_is_outside() -> None:
    """Mean distances to necrosis, over patients: enhancing, then non-enhancing, then edema."""
    means = []
    for patient in range(6):
        head, _, codes = draw(patient, HIGH)
        distance = distance_transform_edt(codes != NECROSIS, sampling=head.spacing_mm)
        means.append([distance[codes == code].mean() for code in (ENHANCING, NON_ENHANCING, EDEMA)])
    near, middle, far = np.mean(means, axis=0)
    assert near < middle < far


def test_shapes_are_irregular_but_connected() -> None:
    """A tumor has a larger surface than a ball of 490 voxels; few of its voxels are isolated."""
    for patient in range(6):
        _, _, codes = draw(patient, HIGH)
        whole = codes > 0
        z, y, x = np.indices((12, 32, 32)) - np.array([6, 16, 16]).reshape(3, 1, 1, 1)
        distance = (2 * z) ** 2 + y**2 + x**2
        ball = distance <= np.sort(distance.ravel())[489]
        assert (binary_dilation(whole) & ~whole).sum() > (binary_dilation(ball) & ~ball).sum()
        isolated = whole & ~binary_dilation(whole, structure=neighbors())
        assert isolated.sum() <= 10


def neighbors() -> np.ndarray:
    """The 26 neighbors of a voxel, without itself."""
    structure = np.ones((3, 3, 3), dtype=bool)
    structure[1, 1, 1] = False
    return structure
