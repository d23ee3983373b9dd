"""Outlines: closed, of the area and the length of the mask, inside on the right."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equipoise.report.contours import Corner, Mask, loops, outline

MASKS = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7)))


def area(loop: list[Corner]) -> float:
    """Gauss's shoelace formula; y grows downwards, so clockwise is positive."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(loop)) / 2


@given(mask=MASKS)
def test_area_and_length_are_those_of_the_mask(mask: Mask) -> None:
    found = loops(mask)
    padded = np.pad(mask, 1)
    n_edges = sum(int((np.diff(padded.astype(int), axis=axis) != 0).sum()) for axis in (0, 1))
    lengths = [abs(b[0] - a[0]) + abs(b[1] - a[1]) for loop in found for a, b in pairwise(loop)]
    assert all(loop[0] == loop[-1] for loop in found)
    assert sum(area(loop) for loop in found) == mask.sum()
    assert sum(lengths) == n_edges


@given(mask=MASKS)
def test_steps_alternate_between_across_and_down(mask: Mask) -> None:
    for loop in loops(mask):
        across = [a[1] == b[1] for a, b in pairwise(loop)]
        assert all(before != after for before, after in pairwise(across))


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        (["..", ".."], ""),
        (["#"], "M0 0h1v1h-1z"),
        ([".##", ".##"], "M1 0h2v2h-2z"),
        (["##", "#."], "M0 0h2v1h-1v1h-1z"),
        (["###", "#.#", "###"], "M0 0h3v3h-3zM1 2h1v-1h-1z"),
        (["#.#"], "M0 0h1v1h-1zM2 0h1v1h-1z"),
    ],
)
def test_paths_of_small_masks(rows: list[str], path: str) -> None:
    assert outline(np.array([[pixel == "#" for pixel in row] for row in rows])) == path
