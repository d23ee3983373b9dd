"""Make a training split rarer on purpose: a chosen imbalance, or a fraction of the data.

All functions take and return rows of the training split; validation and test stay as they are (methods A.1). They
draw images, not patients: a patient may lose some of its images, none moves to another part. The rows kept for
a smaller share are among those kept for a larger one with the same seed, so that a sweep grows one training set.
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

MINIMUM = 2  # images that a class always keeps (methods A.1, step 4)


def exponential(counts: Counts, mu: float) -> Counts:
    """Let class sizes fall evenly on a log scale: n_k = n_max * mu^(k / (K - 1))."""
    return np.asarray(counts[0] * mu ** np.linspace(0, 1, len(counts)))


def step(counts: Counts, mu: float) -> Counts:
    """Cut the smaller half of the classes (of an odd number: without the middle one) to n_max * mu."""
    rare = np.arange(len(counts)) >= (len(counts) + 1) // 2
    return np.where(rare, counts[0] * mu, counts)


def binary(counts: Counts, mu: float) -> Counts:
    """Keep the fraction mu of the smallest class, and all of the others."""
    return counts * np.where(np.arange(len(counts)) == len(counts) - 1, mu, 1.0)


IMBALANCES: dict[str, Callable[[Counts, float], Counts]] = {
    "exp": exponential,
    "step": step,
    "binary": binary,
}


def thin(dataset: ImageDataset, rows: Rows, *, kind: str, mu: float, seed: int = 0) -> Rows:
    """Make the classes of a training split imbalanced (methods 8.0).

    Classes are ordered by size here, the largest first, where the literature takes the order of their numbers: the
    rare class stays the rare one. No class grows, and each keeps at least 2 images.

    Args:
        dataset: The data set.
        rows: Increasing rows of its training split.
        kind: "exp", "step" or "binary"; see the functions of this module.
        mu: Share of images that the rarest class keeps, above 0 and at most 1: of the largest class (exp, step) or
            of itself (binary).
        seed: The same seed keeps the same images.

    Raises:
        SettingError: No such kind, or mu out of range.
    """
    make = pick(IMBALANCES, kind, "imbalance")
    _check_share("mu", mu)
    counts = np.bincount(dataset.labels[rows], minlength=len(dataset.class_names))
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    targets = np.rint(make(counts[order], mu)).astype(np.int64)
    return keep(dataset, rows, dict(zip(order.tolist(), targets.tolist(), strict=True)), seed=seed)


def fraction(dataset: ImageDataset, rows: Rows, share: float, *, seed: int = 0) -> Rows:
    """Keep a share of the training split, the same of every class, at least 2 images of each (methods 1.3, rule 3).

    Raises:
        SettingError: The share is not above 0 and at most 1.
    """
    _check_share("share", share)
    counts = np.bincount(dataset.labels[rows])
    return keep(
        dataset, rows, {k: round(share * n) for k, n in enumerate(counts.tolist())}, seed=seed
    )


def keep(dataset: ImageDataset, rows: Rows, targets: Mapping[int, int], *, seed: int = 0) -> Rows:
    """Keep about `targets[k]` random images of class k: at least 2, at most all; all of a class that is not named.

    Raises:
        SettingError: A target names a class that the dataset does not have.
    """
    if strange := sorted(set(targets) - set(range(len(dataset.class_names)))):
        raise SettingError(
            f"Expected classes from 0 to {len(dataset.class_names) - 1}, got {strange}."
        )
    labels = dataset.labels[rows]
    kept = []
    for label in np.unique(labels).tolist():
        members = make_rng(seed, "keep", label).permutation(rows[labels == label])
        kept.append(members[: max(MINIMUM, targets.get(label, len(members)))])
    return np.sort(np.concatenate(kept))


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise SettingError(f"Expected {name} above 0 and at most 1, got {share:g}.")
