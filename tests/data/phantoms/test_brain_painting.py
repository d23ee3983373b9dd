"""Images of drawn brains: what looks like tumor without being one, uneven light, no clear borders."""

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.data.phantoms.brain_shapes import (
    ENHANCING,
    SPOT,
    VESSEL,
    WHITE,
    Brain,
    Codes,
    Head,
    Lesion,
    draw_brain,
    draw_lesion,
)
from equipoise.data.phantoms.brains import MODALITIES, paint_brain
from equipoise.data.phantoms.drawing import Chance

Scene = tuple[Head, Brain, Codes, NDArray[np.int16]]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [_scene(patient) for patient in range(4)]


def _scene(patient: int) -> Scene:
    head = Head(Chance("paint", patient), (16, 48, 48))
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    draw_lesion(
        head,
        brain,
        codes,
        Lesion("only", necrosis=110, edema=550, non_enhancing=110, enhancing=150),
    )
    return head, brain, codes, paint_brain(head, brain, codes)


def image(scene: Scene, name: str) -> NDArray[np.float64]:
    return np.asarray(scene[3][MODALITIES.index(name)], dtype=np.float64)


def test_values_are_raw_and_0_outside_the_brain(scenes: list[Scene]) -> None:
    for head, brain, codes, images in scenes:
        assert images.dtype == np.int16
        assert (images[:, ~brain.mask] == 0).all()
        assert (images[:, brain.mask] > 0).all()
        np.testing.assert_array_equal(images, paint_brain(head, brain, codes))
    largest = [scene[3].max(axis=(1, 2, 3)) for scene in scenes]
    assert np.max(largest) > 2 * np.min(largest)  # units differ


def test_healthy_spots_and_vessels_imitate_tumor(scenes: list[Scene]) -> None:
    """Spots are brighter than white matter on FLAIR, vessels on T1c, by a good part of what the tumor is."""
    for scene in scenes:
        _, brain, codes, _ = scene
        healthy = brain.mask & (codes == 0)
        white = healthy & (brain.tissue == WHITE)
        for name, tissue, tumor in (
            ("flair", SPOT, codes == 2),
            ("t1c", VESSEL, codes == ENHANCING),
        ):
            light = image(scene, name)
            rise = light[healthy & (brain.tissue == tissue)].mean() - light[white].mean()
            assert rise > 0.25 * (light[tumor].mean() - light[white].mean()) > 0


def test_no_threshold_finds_the_whole_tumor(scenes: list[Scene]) -> None:
    """The best threshold of FLAIR, chosen with the truth at hand, does better than chance and far from perfect."""
    for scene in scenes:
        _, brain, codes, _ = scene
        truth, light = codes[brain.mask] > 0, image(scene, "flair")[brain.mask]
        dice = []
        for threshold in np.quantile(light, np.linspace(0.5, 0.99, 50)):
            found = light > threshold
            dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
        assert 2 * truth.mean() / (1 + truth.mean()) < max(dice) < 0.9


def test_light_is_uneven(scenes: list[Scene]) -> None:
    """White matter of the four quarters of the head differs by more than noise can explain."""
    for scene in scenes:
        _, brain, codes, _ = scene
        white = brain.mask & (codes == 0) & (brain.tissue == WHITE)
        light = image(scene, "t1")
        parts = [
            light[:, y][..., x][white[:, y][..., x]].mean()
            for y in (slice(0, 24), slice(24, 48))
            for x in (slice(0, 24), slice(24, 48))
        ]
        assert max(parts) > 1.03 * min(parts)
