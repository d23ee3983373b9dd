"""Interpolate new points between near points of one class: SMOTE, Borderline-SMOTE and ADASYN.

A point x and one of its k nearest neighbors x' of the same class give x + u (x' - x), u uniform in
[0, 1). The members of the family differ in how often each x is chosen. The tests compare with
imbalanced-learn's SMOTE, BorderlineSMOTE ("borderline-1") and ADASYN.

Source: Chawla et al. (2002), Han et al. (2005), He et al. (2008). Differences:

- counts are exact: a point of weight w starts n w new ones, rounded up or down at random, whereas
  imbalanced-learn draws x freely (SMOTE) or rounds the number of each point (ADASYN, whose sum then
  misses n);
- a point is never its own neighbor, even if others equal it;
- small classes use as many neighbors as there are, instead of raising an error;
- distances are computed block by block, so that images too need no more memory than `BLOCK_BYTES`
  at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from equipoise.arrays import Labels, Rows
from equipoise.discovery import pick
from equipoise.exceptions import DataError, NoStartError
from equipoise.randomness import make_rng
from equipoise.validation import check_class_sizes, check_classes

Points = NDArray[Any]  # (n, d), any real type
Weights = NDArray[np.float64]

K_NEIGHBORS = 5
M_NEIGHBORS = 10  # of all classes, which determine whether a point is on the border
MINIMUM = 2  # a segment needs two points
ALTERNATIVES = "random oversampling or class weights"
BLOCK_BYTES = 2**27


@dataclass(frozen=True)
class Neighborhood:
    """Where new points of one class start and where they go; rows count the points of that class.

    Attributes:
        weights: (m,) share of the new points that start at each point; they sum to 1.
        neighbors: (m, k) nearest points of the same class, the nearest first.
    """

    weights: Weights
    neighbors: Rows


@dataclass(frozen=True)
class Segments:
    """New points before they are computed: at `shares` of the way from `starts` to `ends`."""

    starts: Rows
    ends: Rows
    shares: Weights

    def points(self, flat: Points) -> Points:
        """Compute the new points (n, d) from the points of the class, at least in float32."""
        start, end = as_float(flat[self.starts]), as_float(flat[self.ends])
        return np.asarray(start + self.shares[:, None].astype(start.dtype) * (end - start))

    def __getitem__(self, part: slice) -> "Segments":
        return Segments(self.starts[part], self.ends[part], self.shares[part])


def interpolate(
    name: str,
    flat: Points,
    labels: Labels,
    wanted: Mapping[int, int],
    seed: int,
    *,
    k_neighbors: int = K_NEIGHBORS,
) -> tuple[Points, Labels]:
    """Interpolate new points, exactly as many as requested.

    Args:
        name: One of `INTERPOLATIONS`: "smote" (all points of a class alike), "borderline_smote"
            (points among other classes) or "adasyn" (the more, the more neighbors are of other
            classes).
        flat: (n, d) points.
        labels: (n,) their classes.
        wanted: {label: number of new points}.
        seed: The same seed gives the same points.
        k_neighbors: Neighbors to go towards; fewer if a class has fewer.

    Returns:
        New points (m, d) and their labels (m,), class after class.

    Raises:
        DataError: Points are not finite, or a class has fewer than 2.
        NoStartError: The method finds no point of a class to start from.
        SettingError: No such name.

    Example:
        >>> flat = np.array([[0.0], [1.0], [9.0]])
        >>> new, labels = interpolate("smote", flat, np.array([1, 1, 0]), {1: 4}, seed=0)
        >>> labels.tolist(), bool((0 <= new).all() and (new <= 1).all())
        ([1, 1, 1, 1], True)

    See Also:
        equipoise.resampling.smote: The oversamplers for images that use it.
    """
    if flat.ndim != 2 or not np.isfinite(flat).all():
        raise DataError(
            f"Expected finite points of shape (n, d), got shape {flat.shape} or NaN or infinity."
        )
    new = [as_float(flat[:0])]
    for label, n in wanted.items():
        neighborhood = find_neighborhood(name, flat, labels, label, k_neighbors=k_neighbors)
        segments = draw_segments(neighborhood, n, make_rng(seed, "interpolate", name, label))
        new.append(segments.points(flat[labels == label]))
    return np.concatenate(new), np.repeat(list(wanted), list(wanted.values())).astype(np.int64)


def find_neighborhood(
    name: str, flat: Points, labels: NDArray[Any], label: Any, *, k_neighbors: int = K_NEIGHBORS
) -> Neighborhood:
    """Find the weights and neighbors of the points of one class; see `interpolate`."""
    weigh = pick(INTERPOLATIONS, name, "interpolation")
    labels = check_classes(labels, len(flat))
    rows = np.flatnonzero(labels == label)
    if len(rows) == 0:
        raise DataError(f"Expected labels among {np.unique(labels).tolist()}, got {label}.")
    check_class_sizes(labels[rows], MINIMUM, method=name, alternatives=ALTERNATIVES)
    weights = weigh(flat, labels, rows, k_neighbors)
    near = nearest(flat, rows, rows, k_neighbors)
    return Neighborhood(weights / weights.sum(), np.searchsorted(rows, near))


def draw_segments(neighborhood: Neighborhood, n: int, rng: np.random.Generator) -> Segments:
    """Draw where n new points start, towards which neighbor they go and how far.

    Starts are drawn systematically: a point of weight w starts n w segments, rounded up or down.
    """
    order = rng.permutation(len(neighborhood.weights))
    ends = np.cumsum(neighborhood.weights[order])
    positions = np.minimum((rng.random() + np.arange(n)) / n, np.nextafter(1.0, 0.0))
    starts = rng.permutation(order[np.searchsorted(ends / ends[-1], positions, side="right")])
    towards = rng.integers(neighborhood.neighbors.shape[1], size=n)
    return Segments(starts, neighborhood.neighbors[starts, towards], rng.random(n))


def weigh_alike(flat: Points, labels: Labels, rows: Rows, k_neighbors: int) -> Weights:
    """SMOTE: every point of the class as often as any other."""
    return np.ones(len(rows))


def weigh_border(flat: Points, labels: Labels, rows: Rows, k_neighbors: int) -> Weights:
    """Borderline-SMOTE: points with half or more, but not all, of 10 neighbors in other classes."""
    foreign = _foreign_shares(flat, labels, rows, M_NEIGHBORS)
    danger = (foreign >= 0.5) & (foreign < 1)
    if not danger.any():
        raise _no_start_error(
            "borderline_smote", labels[rows[0]], "with half or more, but not all, of its nearest"
        )
    return danger.astype(np.float64)


def weigh_difficulty(flat: Points, labels: Labels, rows: Rows, k_neighbors: int) -> Weights:
    """ADASYN: in proportion to the share of other classes (one vs. rest) among k neighbors."""
    foreign = _foreign_shares(flat, labels, rows, k_neighbors)
    if not foreign.any():
        raise _no_start_error("adasyn", labels[rows[0]], "with any of its nearest")
    return foreign


INTERPOLATIONS: dict[str, Callable[[Points, Labels, Rows, int], Weights]] = {
    "smote": weigh_alike,
    "borderline_smote": weigh_border,
    "adasyn": weigh_difficulty,
}


def nearest(flat: Points, rows: Rows, among: Rows, k: int) -> Rows:
    """Find the nearest rows for each of `rows`, which are in `among`, but never the row itself.

    Returns:
        (len(rows), k) rows, the nearest first; fewer than k if there are fewer others.

    Example:
        >>> flat = np.array([[0.0], [1.0], [3.0]])
        >>> nearest(flat, np.array([0, 2]), np.arange(3), 2).tolist()
        [[1, 2], [1, 0]]
    """
    k = min(k, len(among) - 1)
    neighbors = []
    for queries in _blocks(flat, rows):
        ids = np.empty((len(queries), 0), np.int64)
        distances = np.empty((len(queries), 0))
        for block in _blocks(flat, among):
            search = NearestNeighbors(n_neighbors=min(k + 1, len(block))).fit(as_float(flat[block]))
            away, positions = search.kneighbors(as_float(flat[queries]))
            candidates = block[positions]
            away[candidates == queries[:, None]] = np.inf
            ids, distances = np.hstack([ids, candidates]), np.hstack([distances, away])
            order = np.argsort(distances, axis=1, kind="stable")[:, : k + 1]
            ids = np.take_along_axis(ids, order, axis=1)
            distances = np.take_along_axis(distances, order, axis=1)
        neighbors.append(ids[:, :k])
    return np.concatenate(neighbors)


def as_float(flat: Points) -> Points:
    """Return whole numbers as float32; float32 and float64 stay."""
    return flat.astype(np.result_type(flat.dtype, np.float32), copy=False)


def _blocks(flat: Points, rows: Rows) -> Iterator[Rows]:
    size = max(1, BLOCK_BYTES // (flat.shape[1] * as_float(flat[:0]).itemsize))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _foreign_shares(flat: Points, labels: Labels, rows: Rows, k: int) -> Weights:
    """Return the share of other classes among the k nearest neighbors of each row."""
    near = nearest(flat, rows, np.arange(len(flat)), k)
    return np.asarray((labels[near] != labels[rows, None]).mean(axis=1))


def _no_start_error(name: str, label: object, requirement: str) -> NoStartError:
    return NoStartError(
        f"{name} makes new images near other classes and class {label} has no image {requirement} "
        "neighbors in another class. Use smote, which needs no such image, or random oversampling "
        "for it."
    )
