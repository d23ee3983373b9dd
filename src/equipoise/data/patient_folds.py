"""Folds of patients for volumes: each patient is tested once, others choose the model, the rest train it."""

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows
from equipoise.data.splits import Split
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import make_rng

Patients = NDArray[np.int64]  # positions in the sorted list of patients
Presence = NDArray[np.bool_]  # (patients, k) True where a patient has voxels of a class


def patient_folds(
    dataset: VolumeDataset,
    *,
    n_folds: int | None = None,
    validation: int | float = 1,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Test every patient in exactly one fold; all cases of a patient stay together.

    The patients of a rare class are spread over the folds (a class may still be absent from a test part, where its
    results are then not available), and the folds take turns at validation. A class that some patient outside the
    test part has stays in train if that can be: its last patient does not go to validation. Where all patients of a
    class are tested together, train has none of it, and `Split.check` says so.

    Args:
        dataset: Cases with their patients.
        n_folds: 2 or more; None leaves one patient out at a time.
        validation: Patients that choose the model in each fold, or their share of those that are not tested.
        seed: The same seed gives the same folds.

    Raises:
        DataError: Fewer than three patients.
        SettingError: More folds than patients, or a validation part that is empty or leaves nobody to train on.
    """
    names, owner = np.unique(dataset.groups, return_inverse=True)
    if len(names) < 3:
        raise DataError(
            f"Expected 3 patients or more, one each for train, validation and test, got {len(names)}. Add patients."
        )
    n_folds = len(names) if n_folds is None else n_folds
    if not 2 <= n_folds <= len(names):
        raise SettingError(
            f"Expected 2 to {len(names)} folds, the number of patients, got {n_folds}."
        )
    present = np.stack(
        [dataset.table[owner == patient].sum(axis=0) > 0 for patient in range(len(names))]
    )
    folds = _folds(present, n_folds, make_rng(seed, "patient folds"))
    held = _validation(present, folds, validation)
    return tuple(
        _split(f"fold-{i}", owner, test, chosen)
        for i, (test, chosen) in enumerate(zip(folds, held, strict=True))
    )


def _folds(present: Presence, n_folds: int, rng: np.random.Generator) -> list[Patients]:
    """Deal out the patients, those of the rarest class first, to the fold that has fewest of that class.

    Folds differ by at most one patient in size; among equals the smaller one is chosen, then a lot decides.
    """
    fold = np.full(len(present), -1, dtype=np.int64)
    size = np.zeros(n_folds, dtype=np.int64)
    room = np.array([len(part) for part in np.array_split(fold, n_folds)])
    have = np.zeros((n_folds, present.shape[1]), dtype=np.int64)
    for code in [*np.argsort(present.sum(axis=0), kind="stable"), None]:
        waiting = fold < 0 if code is None else (fold < 0) & present[:, code]
        for patient in rng.permutation(np.flatnonzero(waiting)):
            of_class = size if code is None else have[:, code]
            place = np.lexsort((rng.permutation(n_folds), size, of_class, size >= room))[0]
            fold[patient] = place
            size[place] += 1
            have[place] += present[patient]
    return [np.flatnonzero(fold == place) for place in range(n_folds)]


def _validation(
    present: Presence, folds: list[Patients], validation: int | float
) -> list[list[int]]:
    """Choose who validates each fold: who costs train no class, has done so least, and is next in turn."""
    turn = np.concatenate(folds)
    times = np.zeros(len(present), dtype=np.int64)
    chosen: list[list[int]] = []
    start = 0
    for test in folds:
        start += len(test)
        train = np.roll(turn, -start)[: len(turn) - len(test)].tolist()
        chosen.append([])
        for _ in range(_number(validation, len(train))):
            lost = [_n_lost(present, train, patient) for patient in train]
            best = train.pop(int(np.lexsort((times[train], lost))[0]))
            times[best] += 1
            chosen[-1].append(best)
    return chosen


def _n_lost(present: Presence, train: list[int], patient: int) -> int:
    """Count the classes that only this patient brings to train."""
    return int((present[patient] & (present[train].sum(axis=0) == 1)).sum())


def _number(validation: int | float, n_rest: int) -> int:
    """Give the number of patients for validation, of `n_rest` that are not tested."""
    whole = isinstance(validation, int)
    if not (whole or 0 < validation < 1):
        raise SettingError(
            f"Expected validation as a whole number or a share between 0 and 1, got {validation}."
        )
    n = int(validation) if whole else max(round(validation * n_rest), 1)
    if not 1 <= n < n_rest:
        raise SettingError(
            f"Expected at least 1 patient for validation and 1 for train, got {n} for validation of the {n_rest} "
            "that are left when a fold is tested. Change validation, or use more folds."
        )
    return n


def _split(name: str, owner: NDArray[np.intp], test: Patients, validation: list[int]) -> Split:
    parts: dict[str, Rows] = {
        "test": np.flatnonzero(np.isin(owner, test)).astype(np.int64),
        "validation": np.flatnonzero(np.isin(owner, validation)).astype(np.int64),
        "train": np.flatnonzero(~np.isin(owner, [*test, *validation])).astype(np.int64),
    }
    return Split(name=name, **parts)
