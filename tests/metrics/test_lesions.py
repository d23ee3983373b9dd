"""Counts of lesions, by hand and against the components of SimpleITK."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from equipoise.metrics.lesions import LesionCounts, count_lesions
from equipoise.metrics.surface import Mask

SHAPE = (5, 6, 7)
SHEET = """
    AA......BB
    AA......BB
    ..........
    ....C.....
"""


def mask_of(letters: str, sheet: str = SHEET) -> Mask:
    rows = sheet.split()
    return np.array([[cell in letters for cell in row] for row in rows])


def counts_of(
    truth: str, prediction: str, sheet: str = SHEET, least_voxels: int = 1
) -> tuple[int, int, int]:
    counts = count_lesions(
        truth=mask_of(truth, sheet),
        prediction=mask_of(prediction, sheet),
        least_voxels=least_voxels,
    )
    return counts.tp, counts.fp, counts.fn


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ("AB", "AB", (2, 0, 0)),
        ("AB", "A", (1, 0, 1)),
        ("A", "AB", (1, 1, 0)),
        ("A", "B", (0, 1, 1)),
        ("ABC", "", (0, 0, 3)),
        ("", "ABC", (0, 3, 0)),
        ("", "", (0, 0, 0)),
    ],
)
def test_detected_false_and_missed(
    truth: str, prediction: str, expected: tuple[int, int, int]
) -> None:
    assert counts_of(truth, prediction) == expected


def test_components_below_the_least_size_count_on_neither_side() -> None:
    assert counts_of("AC", "A", least_voxels=2) == (1, 0, 0)  # C of one voxel is not missed
    assert counts_of("A", "AC", least_voxels=2) == (1, 0, 0)  # nor false
    assert counts_of("A", "", least_voxels=4) == (0, 0, 1)
    assert counts_of("A", "", least_voxels=5) == (0, 0, 0)


def test_an_overlap_with_a_component_below_the_least_size_counts() -> None:
    sheet = "ab.Dd."  # a whole lesion is 'ab'; a large prediction over a tiny true one is 'Dd'
    assert counts_of("ab", "a", sheet, least_voxels=2) == (1, 0, 0)
    assert counts_of("d", "Dd", sheet, least_voxels=2) == (0, 0, 0)


def test_a_prediction_over_two_lesions_detects_both_and_is_not_false() -> None:
    assert counts_of("ab", "a-b", "a-b") == (2, 0, 0)
    assert counts_of("a-b", "ab", "a-b") == (1, 0, 0)


def test_lesions_that_touch_by_a_corner_are_one() -> None:
    mask = np.zeros((2, 2, 2), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    nothing = np.zeros_like(mask)
    assert count_lesions(truth=mask, prediction=nothing, least_voxels=2) == LesionCounts(
        tp=0, fp=0, fn=1
    )


def by_simpleitk(truth: Mask, prediction: Mask, least_voxels: int) -> tuple[int, int]:
    """Count lesions of the truth that were detected and missed."""
    itk = pytest.importorskip("SimpleITK", reason="SimpleITK is the reference")
    image = itk.GetImageFromArray(truth.astype(np.uint8))
    components = itk.GetArrayFromImage(itk.ConnectedComponent(image, True))
    lesions = [components == i + 1 for i in range(components.max())]
    hit = [prediction[lesion].any() for lesion in lesions if lesion.sum() >= least_voxels]
    return int(np.sum(hit)), len(hit) - int(np.sum(hit))


@given(arrays(np.int8, SHAPE, elements={"min_value": 0, "max_value": 5}))
@settings(max_examples=30, deadline=None)
def test_agrees_with_components_of_simpleitk(values: Mask) -> None:
    truth, prediction = values % 4 == 1, values >= 4
    counts = count_lesions(truth=truth, prediction=prediction, least_voxels=3)
    assert (counts.tp, counts.fn) == by_simpleitk(truth, prediction, 3)
    assert counts.fp == by_simpleitk(prediction, truth, 3)[1]
