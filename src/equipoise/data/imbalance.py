"""Reduce a training split on purpose: to a chosen imbalance, or to a fraction of the data.

All functions take and return rows of the training split; validation and test stay as they are. They
draw images, not patients: a patient may lose some images, none moves to another part. The rows kept
for a smaller share are among those kept for a larger one with the same seed, so that a sweep grows
one training set.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.randomness import make_rng

Counts = NDArray[Any]  # images per class, the largest class first

MINIMUM = 2  # images that a class always keeps


def exponential(counts: Counts, mu: float) -> Counts:
    """Return class sizes that fall evenly on a log scale: n_k = n_max * mu^(k / (K - 1)).

    Example:
        >>> exponential(np.array([100, 100, 100]), 0.01).tolist()
        [100.0, 10.0, 1.0]
    """
    return np.asarray(counts[0] * mu ** np.linspace(0, 1, len(counts)))


def step(counts: Counts, mu: float) -> Counts:
    """Return n_max * mu for the smaller half of the classes, without the middle one if K is odd."""
    rare = np.arange(len(counts)) >= (len(counts) + 1) // 2
    return np.where(rare, counts[0] * mu, counts)


def binary(counts: Counts, mu: float) -> Counts:
    """Return the fraction mu of the smallest class, and all of the others."""
    return counts * np.where(np.arange(len(counts)) == len(counts) - 1, mu, 1.0)


IMBALANCES: dict[str, Callable[[Counts, float], Counts]] = {
    "exp": exponential,
    "step": step,
    "binary": binary,
}


def thin(dataset: ImageDataset, rows: Rows, *, kind: str, mu: float, seed: int = 0) -> Rows:
    """Reduce the classes of a training split to a chosen imbalance.

    Source: Cui et al. (2019) for "exp", Buda et al. (2018) for "step". Difference: classes are
    ordered by size, the largest first, not by their numbers, so that the rare class stays the rare
    one. No class grows, and each keeps at least 2 images.

    Args:
        dataset: The dataset.
        rows: Increasing rows of its training split.
        kind: "exp", "step" or "binary"; see the functions of this module.
        mu: Share of images that the rarest class keeps, above 0 and at most 1: of the largest class
            (exp, step) or of itself (binary).
        seed: The same seed keeps the same images.

    Raises:
        SettingError: No such kind, or mu out of range.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((40, 40, 40), size=28)
        >>> rows = thin(dataset, np.arange(120), kind="exp", mu=0.1)
        >>> dataset.subset(rows).counts.tolist()
        [40, 13, 4]

    See Also:
        fraction: Keep the same share of every class.
    """
    resize = pick(IMBALANCES, kind, "imbalance")
    _check_share("mu", mu)
    counts = np.bincount(dataset.labels[rows], minlength=len(dataset.class_names))
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    targets = np.rint(resize(counts[order], mu)).astype(np.int64)
    return keep(dataset, rows, dict(zip(order.tolist(), targets.tolist(), strict=True)), seed=seed)


def fraction(dataset: ImageDataset, rows: Rows, share: float, *, seed: int = 0) -> Rows:
    """Keep a share of the training split, the same of every class, at least 2 images of each.

    Raises:
        SettingError: The share is not above 0 and at most 1.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((40, 20), size=28)
        >>> dataset.subset(fraction(dataset, np.arange(60), 0.5)).counts.tolist()
        [20, 10]
    """
    _check_share("share", share)
    counts = np.bincount(dataset.labels[rows]).tolist()
    targets = {label: round(share * n) for label, n in enumerate(counts)}
    return keep(dataset, rows, targets, seed=seed)


def keep(dataset: ImageDataset, rows: Rows, targets: Mapping[int, int], *, seed: int = 0) -> Rows:
    """Keep `targets[k]` random images of class k, at least 2, at most all; all of other classes.

    Raises:
        SettingError: A target names a class that the dataset does not have.
    """
    n_classes = len(dataset.class_names)
    if unexpected := sorted(set(targets).difference(range(n_classes))):
        raise SettingError(f"Expected classes from 0 to {n_classes - 1}, got {unexpected}.")
    labels = dataset.labels[rows]
    selected = []
    for label in np.unique(labels).tolist():
        members = make_rng(seed, "keep", label).permutation(rows[labels == label])
        n = max(MINIMUM, targets.get(label, len(members)))
        selected.append(members[:n])
    return np.sort(np.concatenate(selected))


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise SettingError(f"Expected {name} above 0 and at most 1, got {share:g}.")
