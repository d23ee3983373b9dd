"""Shapes of drawn brains: fields, ellipsoids, ranks and tissues."""

import numpy as np
import pytest

from equipoise.data.phantoms.brain_shapes import (
    CSF,
    GRAY,
    SPOT,
    VESSEL,
    WHITE,
    Brain,
    Head,
    draw_brain,
    highest,
)
from equipoise.data.phantoms.drawing import Chance


def head(patient: int = 0, shape: tuple[int, int, int] = (12, 32, 32)) -> Head:
    return Head(Chance("test", patient), shape)


@pytest.fixture(scope="module")
def brains() -> list[Brain]:
    return [draw_brain(head(patient)) for patient in range(6)]


def test_highest_takes_as_many_as_are_asked_for() -> None:
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
    one = head()
    assert one.spacing_mm == (12.0, 6.0, 6.0)
    for axis, extent, step in zip(one.at, (144, 192, 192), one.spacing_mm, strict=True):
        assert axis.min() == -axis.max() == -(extent - step) / 2
    level = one.level((6, 3, 3), (12, 30, 60))
    found = [level[6, 16, 16], level[7, 16, 16], level[6, 21, 16], level[6, 16, 26]]
    np.testing.assert_allclose(found, [1, 0, 0, 0], atol=1e-12)
    assert level[6, 22, 16] < 0


def test_every_brain_has_all_tissues(brains: list[Brain]) -> None:
    for brain in brains:
        inside = brain.tissue[brain.mask]
        shares = np.bincount(inside, minlength=5) / len(inside)
        assert (shares[[CSF, GRAY, WHITE, VESSEL, SPOT]] > 0).all()
        assert 0.4 < shares[WHITE] < 0.8
        assert shares[GRAY] > 0.1
        assert max(shares[VESSEL], shares[SPOT]) < 0.1  # distractors, not more


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
