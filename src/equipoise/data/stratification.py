"""Divide images among parts by patient, so that every class keeps its share of each part."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.listing import first_few
from equipoise.exceptions import DataError

ATTEMPTS = 50  # random assignments before giving up on classes that share their patients


def apportion(
    dataset: ImageDataset, rows: Rows, shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, Rows]:
    """Divide `rows` by patient into named parts; every class that occurs is in every part.

    Source: iterative stratification, Sechidis et al. (2011), Algorithm 1. Differences: patients
    take the place of images, those with most images of a class go first, and the part is drawn at
    random in proportion to its room, so that repeated splits differ in their large patients.
    scikit-learn's `StratifiedGroupKFold` makes equal parts only, and may leave a part without a
    rare class.

    Args:
        dataset: Real images.
        rows: Increasing rows of `dataset`.
        shares: Share of each part; they add up to 1.
        rng: The same generator state gives the same parts.

    Raises:
        DataError: A class has fewer patients than there are parts.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((30, 12), size=28)
        >>> shares = {"train": 0.75, "test": 0.25}
        >>> parts = apportion(dataset, np.arange(42), shares, np.random.default_rng(0))
        >>> np.intersect1d(dataset.groups[parts["train"]], dataset.groups[parts["test"]]).size
        0
    """
    patients, owner = np.unique(dataset.groups[rows], return_inverse=True)
    table = np.zeros((len(patients), len(dataset.class_names)), dtype=np.int64)
    np.add.at(table, (owner, dataset.labels[rows]), 1)
    n_patients = (table > 0).sum(axis=0)  # (k,)
    scarce: list[str] = []
    for name, n in zip(dataset.class_names, n_patients.tolist(), strict=True):
        if 0 < n < len(shares):
            scarce.append(f"'{name}' ({n})")
    if scarce:
        parts = ", ".join(shares)
        raise DataError(
            f"Expected {len(shares)} patients or more of each class, one for each of {parts}, got "
            f"fewer of {first_few(scarce)}. {_ways_out(shares, 'such a class')}"
        )
    for _ in range(ATTEMPTS):
        part, complete = _assign(table, np.array(list(shares.values())), rng)
        if complete:
            return {name: rows[part[owner] == p] for p, name in enumerate(shares)}
    raise DataError(
        f"Found no way to give each of {', '.join(shares)} images of every class: too few patients "
        f"have the rare classes together with others. {_ways_out(shares, 'the rarest class')}"
    )


def _ways_out(shares: Mapping[str, float], scarce: str) -> str:
    """Return what helps where a class has too few patients for all parts of a split."""
    fewer = "" if "train" in shares else ", or use fewer folds"
    return f"Add patients, merge {scarce} with another class, or leave it out{fewer}."


def _assign(
    table: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], bool]:
    """Assign each patient to a part; return the parts and whether every part has every class.

    The class with the fewest patients goes first. The last patients of a class are reserved for the
    parts that do not have it yet.

    Args:
        table: (patients, k) number of images.
        shares: (parts,) share of each part.
        rng: Draws the order of equal patients, and the parts.
    """
    part = np.full(len(table), -1, dtype=np.int64)
    # (parts, k) images that each part should still get
    lacking = shares[:, None] * table.sum(axis=0)
    present = np.zeros(lacking.shape, dtype=bool)
    for label in np.argsort((table > 0).sum(axis=0), kind="stable"):
        free = rng.permutation(np.flatnonzero((table[:, label] > 0) & (part < 0)))
        free = free[np.argsort(-table[free, label], kind="stable")]
        for n_left, patient in zip(range(len(free), 0, -1), free, strict=True):
            size = table[patient, label]
            absent = ~present[:, label]
            reserved = absent.sum() >= n_left
            eligible = np.flatnonzero(absent) if reserved else np.arange(len(shares))
            room = lacking[eligible, label]
            room = np.where(room >= size, room, 0.0)
            if room.any():
                p = eligible[rng.choice(len(room), p=room / room.sum())]
            else:
                p = eligible[lacking[eligible, label].argmax()]
            part[patient] = p
            lacking[p] -= table[patient]
            present[p] |= table[patient] > 0
    return part, bool(present[:, table.any(axis=0)].all())
