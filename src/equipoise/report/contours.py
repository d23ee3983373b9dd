"""Outlines of masks along the edges of their pixels, as SVG paths: what is drawn is just what the mask holds."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]  # x, y of a corner between pixels
Mask = NDArray[np.bool_]  # (h, w)


def outline(mask: Mask) -> str:
    """Write the outlines of a mask as the `d` of an SVG path, in units of pixels; empty for an empty mask.

    Outer borders run clockwise, those of holes against it, so that the path could be filled.
    """
    return "".join(_written(loop) for loop in loops(mask))


def loops(mask: Mask) -> list[list[Corner]]:
    """Walk around every border of a mask (h, w) and give its corners, the first one again at the end."""
    after = _edges(mask)
    found = []
    while after:
        start = next(iter(after))
        loop = [start]
        while len(loop) == 1 or loop[-1] != start:
            ends = after[loop[-1]]
            end = ends.pop()
            if not ends:
                del after[loop[-1]]
            loop.append(end)
        found.append(_straightened(loop))
    return found


def _edges(mask: Mask) -> dict[Corner, list[Corner]]:
    """Give the edges between inside and outside by where they start; the inside is on their right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    after: dict[Corner, list[Corner]] = defaultdict(list)
    for neighbor, start, end in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # above
        (padded[1:-1, 2:], (1, 0), (1, 1)),  # right
        (padded[2:, 1:-1], (1, 1), (0, 1)),  # below
        (padded[1:-1, :-2], (0, 1), (0, 0)),  # left
    ):
        for y, x in np.argwhere(inside & ~neighbor).tolist():
            after[x + start[0], y + start[1]].append((x + end[0], y + end[1]))
    return after


def _straightened(loop: list[Corner]) -> list[Corner]:
    """Keep the corners where the direction changes, and both ends."""
    middle = [
        here for before, here, then in zip(loop, loop[1:], loop[2:], strict=False)
        if (before[0] == here[0]) != (here[0] == then[0])
    ]  # fmt: skip
    return [loop[0], *middle, loop[-1]]


def _written(loop: list[Corner]) -> str:
    (x, y), *_ = loop
    steps = [
        f"v{b[1] - a[1]}" if a[0] == b[0] else f"h{b[0] - a[0]}" for a, b in pairwise(loop[:-1])
    ]
    return f"M{x} {y}{''.join(steps)}z"
