"""Find pairs of vectors that may correlate strongly, without comparing all pairs in full.

The scalar product of two vectors is at most that of their coordinates along a few axes plus the
product of the lengths of what these axes leave out (Cauchy-Schwarz). So a point of few numbers
stands for a vector, and no pair is missed. Points are sorted into boxes of near ones; one that
is too far from a box is compared with none of its points.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows

Vectors = NDArray[np.float32]  # (n, d)
Points = NDArray[np.float32]  # (n, k + 1)

N_AXES = 31
N_SEARCHED = 8  # axes along which the distance from a box is measured
BOX = 512  # points in a box
TILE = 256  # points that a box is compared with at once, to bound the memory
ROUNDING = 1e-3  # more than float32 can be wrong


def principal_axes(vectors: Vectors) -> Vectors:
    """Return orthonormal axes (k, d), k <= N_AXES, along which a sample (m, d) is longest."""
    _, combinations = np.linalg.eigh(vectors @ vectors.T)
    longest = vectors.T @ combinations[:, : -N_AXES - 1 : -1]  # (d, k)
    return np.asarray(np.linalg.qr(longest)[0].T, dtype=np.float32)


def project(vectors: Vectors, axes: Vectors) -> Points:
    """Return the coordinates along the axes, and the length of what they leave out.

    Example:
        >>> axes = np.eye(2, 3, dtype=np.float32)
        >>> project(np.array([[3, 4, 12], [1, 0, 0]], dtype=np.float32), axes).tolist()
        [[3.0, 4.0, 12.0], [1.0, 0.0, 0.0]]
    """
    coordinates = vectors @ axes.T
    left_out = np.square(vectors).sum(axis=1) - np.square(coordinates).sum(axis=1)
    return np.column_stack([coordinates, np.sqrt(left_out.clip(min=0))])


def correlated_pairs(points: Points, least: float) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of rows whose points have a product of at least `least`, and hardly others.

    Args:
        points: What `project` returned.
        least: A correlation.

    Yields:
        Rows (m,) and (m,) of the first and second vectors of some pairs, each pair once.

    Example:
        >>> points = np.array([[1, 0], [0, 1], [0.98, 0.2]], dtype=np.float32)
        >>> [(a.tolist(), b.tolist()) for a, b in correlated_pairs(points, 0.9)]
        [([0], [2])]
    """
    order = _boxed(points, np.arange(len(points)))
    points = points[order]
    searched = np.ascontiguousarray(points[:, :N_SEARCHED])
    least -= ROUNDING
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b; vectors are not longer than 1 but for rounding.
    longest = np.square(points).sum(axis=1).max(initial=1)
    farthest = 2 * (longest - least) + ROUNDING
    for start in range(0, len(points), BOX):
        box, later = searched[start : start + BOX], searched[start:]
        outside = later - later.clip(box.min(axis=0), box.max(axis=0))
        distance = np.einsum("ij,ij->i", outside, outside)
        near = start + np.flatnonzero(distance <= farthest)
        for first in range(0, len(near), TILE):
            tile = near[first : first + TILE]
            possible = points[start : start + BOX] @ points[tile].T >= least
            if possible.any():
                i, j = np.divmod(np.flatnonzero(possible), len(tile))
                once = start + i < tile[j]
                yield order[start + i[once]], order[tile[j[once]]]


def _boxed(points: Points, rows: Rows) -> Rows:
    """Sort rows so that every BOX of them are near each other: halve along the longest side."""
    if len(rows) <= BOX:
        return rows
    searched = points[rows, :N_SEARCHED]
    side = np.ptp(searched, axis=0).argmax()
    n_left = BOX * (-(-len(rows) // BOX) // 2)
    order = np.argpartition(searched[:, side], n_left)
    left, right = rows[order[:n_left]], rows[order[n_left:]]
    return np.concatenate([_boxed(points, left), _boxed(points, right)])
