"""Outlines of masks along the edges of their pixels, as SVG paths."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]  # x, y of a corner between pixels
Mask = NDArray[np.bool_]  # (h, w)


def outline(mask: Mask) -> str:
    """Return the outlines of a mask as the `d` of an SVG path, in pixels; empty for an empty mask.

    Outer borders run clockwise and those of holes counterclockwise, so the path could be filled.

    Example:
        >>> outline(np.array([[False, True, True], [False, True, True]]))
        'M1 0h2v2h-2z'
    """
    path = ""
    for loop in loops(mask):
        x, y = loop[0]
        path += f"M{x} {y}"
        for start, end in pairwise(loop[:-1]):
            vertical = start[0] == end[0]
            path += f"v{end[1] - start[1]}" if vertical else f"h{end[0] - start[0]}"
        path += "z"
    return path


def loops(mask: Mask) -> list[list[Corner]]:
    """Trace every border of a mask (h, w); the first corner of a border is repeated at its end."""
    edges = pixel_edges(mask)
    borders = []
    while edges:
        start = next(iter(edges))
        border = [start]
        while len(border) == 1 or border[-1] != start:
            ends = edges[border[-1]]
            end = ends.pop()
            if not ends:
                del edges[border[-1]]
            border.append(end)
        borders.append(without_straight_corners(border))
    return borders


def pixel_edges(mask: Mask) -> dict[Corner, list[Corner]]:
    """Return the ends of all edges between inside and outside by their start.

    Walking from start to end, the inside is on the right.
    """
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    edges: dict[Corner, list[Corner]] = defaultdict(list)
    for neighbor, start, end in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # above
        (padded[1:-1, 2:], (1, 0), (1, 1)),  # right
        (padded[2:, 1:-1], (1, 1), (0, 1)),  # below
        (padded[1:-1, :-2], (0, 1), (0, 0)),  # left
    ):
        for y, x in np.argwhere(inside & ~neighbor).tolist():
            edges[x + start[0], y + start[1]].append((x + end[0], y + end[1]))
    return edges


def without_straight_corners(border: list[Corner]) -> list[Corner]:
    """Return both ends and the corners where the direction changes."""
    corners = [border[0]]
    for before, corner, after in zip(border, border[1:], border[2:], strict=False):
        comes_vertically = before[0] == corner[0]
        leaves_vertically = corner[0] == after[0]
        if comes_vertically != leaves_vertically:
            corners.append(corner)
    return [*corners, border[-1]]
