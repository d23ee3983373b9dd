"""Divide images among parts by patient, so that every class keeps its share of each part."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError

ATTEMPTS = 50  # draws before a class that shares its patients with rarer ones is given up


def apportion(
    dataset: ImageDataset, rows: Rows, shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, Rows]:
    """Divide `rows` by patient into named parts; every class that occurs is in every part.

    Source: iterative stratification (Sechidis et al. 2011), with patients in the place of images, the largest
    first, and a lot among the parts that still have room, so that repeated splits differ in their large patients.
    scikit-learn's StratifiedGroupKFold makes equal parts only and may leave a part without a rare class.

    Args:
        dataset: Real images.
        rows: Increasing rows of `dataset`.
        shares: Share of each part; they add up to 1.
        rng: The same generator state gives the same parts.

    Raises:
        DataError: A class has fewer patients than there are parts.
    """
    patients, owner = np.unique(dataset.groups[rows], return_inverse=True)
    table = np.zeros((len(patients), len(dataset.class_names)), dtype=np.int64)
    np.add.at(table, (owner, dataset.labels[rows]), 1)
    _check_patients(dataset, table, list(shares))
    for _ in range(ATTEMPTS):
        part, complete = _assign(table, np.array(list(shares.values())), rng)
        if complete:
            return {name: rows[part[owner] == p] for p, name in enumerate(shares)}
    raise DataError(
        f"Found no way to give each of {', '.join(shares)} images of every class: too few patients hold the rare "
        "classes together with others. Merge the rarest classes, or use fewer folds."
    )


def _check_patients(dataset: ImageDataset, table: NDArray[np.int64], parts: list[str]) -> None:
    for name, n in zip(dataset.class_names, (table > 0).sum(axis=0).tolist(), strict=True):
        if 0 < n < len(parts):
            raise DataError(
                f"Class '{name}' has {n} patient{'s' * (n != 1)} and needs {len(parts)} or more, one for each of "
                f"{', '.join(parts)}. Merge it with another class, leave it out, or use fewer folds."
            )


def _assign(
    table: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], bool]:
    """Give each patient (a row of class counts) to a part, and say whether every part has every class.

    The class with the fewest patients goes first. The last patients of a class are kept for the parts without it.
    """
    part = np.full(len(table), -1, dtype=np.int64)
    lacking = shares[:, None] * table.sum(
        axis=0
    )  # (parts, classes) images that each part should still get
    present = np.zeros(lacking.shape, dtype=bool)
    for label in np.argsort((table > 0).sum(axis=0), kind="stable"):
        free = rng.permutation(np.flatnonzero((table[:, label] > 0) & (part < 0)))
        free = free[np.argsort(-table[free, label], kind="stable")]
        for left, patient in zip(range(len(free), 0, -1), free, strict=True):
            absent = ~present[:, label]
            eligible = np.flatnonzero(absent) if absent.sum() >= left else np.arange(len(shares))
            p = eligible[_draw(lacking[eligible, label], table[patient, label], rng)]
            part[patient] = p
            lacking[p] -= table[patient]
            present[p] |= table[patient] > 0
    return part, bool(present[:, table.any(axis=0)].all())


def _draw(lacking: NDArray[np.float64], size: int, rng: np.random.Generator) -> int:
    """Draw a part that has room for `size` images, in proportion to the room; else take the one that lacks most."""
    room = np.where(lacking >= size, lacking, 0.0)
    return int(rng.choice(len(room), p=room / room.sum()) if room.any() else lacking.argmax())
