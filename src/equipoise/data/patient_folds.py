"""Folds of patients for volumes: each patient is tested once, others validate, the rest train."""

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
    """Split cases so that every patient is tested in exactly one fold, with all of their cases.

    The patients of a rare class are spread over the folds (a class may still be absent from a test
    part, where its results are then not available), and patients take turns at validation. A class
    that some patient outside the test part has stays in train if possible: its last patient does
    not validate. If all patients of a class are tested together, train has none of it, and
    `Split.check` reports that.

    Args:
        dataset: Cases with their patients.
        n_folds: 2 or more; None leaves one patient out at a time.
        validation: Number of patients that validate in each fold, or their share of those that are
            not tested.
        seed: The same seed gives the same folds.

    Raises:
        DataError: Fewer than three patients.
        SettingError: More folds than patients, or a validation part that is empty or leaves no one
            to train on.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from equipoise.testing.volumes import volumes_of
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dataset = volumes_of([np.ones((1, 4, 4), dtype=int)] * 4, Path(folder), k=2)
        ...     folds = patient_folds(dataset)
        >>> sorted(fold.test.tolist() for fold in folds)
        [[0], [1], [2], [3]]

    See Also:
        equipoise.data.splits.k_fold: Folds of images.
    """
    patients, owner = np.unique(dataset.groups, return_inverse=True)
    n = len(patients)
    n_folds = n if n_folds is None else n_folds
    check_folds(n, n_folds, validation)
    present = np.zeros((n, dataset.k), dtype=bool)
    np.logical_or.at(present, owner, dataset.table > 0)
    fold_of = _assign_folds(present, n_folds, make_rng(seed, "patient folds"))
    folds = [np.flatnonzero(fold_of == fold) for fold in range(n_folds)]
    validators = _choose_validators(present, folds, validation)
    splits = []
    for i, (tested, validating) in enumerate(zip(folds, validators, strict=True)):
        in_test = np.isin(owner, tested)
        in_validation = np.isin(owner, validating)
        splits.append(
            Split(
                name=f"fold-{i}",
                train=_rows(~in_test & ~in_validation),
                validation=_rows(in_validation),
                test=_rows(in_test),
            )
        )
    return tuple(splits)


def check_folds(n_patients: int, n_folds: int, validation: int | float) -> None:
    """Check that patients can be divided into folds, before anything of their cases is read.

    Args:
        n_patients: Number of patients.
        n_folds: See `patient_folds`.
        validation: See there.

    Raises:
        DataError: Fewer than three patients.
        SettingError: See there.

    Example:
        >>> check_folds(10, 5, validation=2)
    """
    if n_patients < 3:
        raise DataError(
            "Expected 3 patients or more, one each for train, validation and test, "
            f"got {n_patients}. Add patients."
        )
    if not 2 <= n_folds <= n_patients:
        raise SettingError(
            f"Expected 2 to {n_patients} folds (--folds), the number of patients, got {n_folds}."
        )
    n_tested = -(-n_patients // n_folds)  # in the largest fold
    _number_of_validators(validation, n_patients - n_tested)


def _rows(mask: NDArray[np.bool_]) -> Rows:
    return np.flatnonzero(mask).astype(np.int64)


def _assign_folds(present: Presence, n_folds: int, rng: np.random.Generator) -> Patients:
    """Return the fold of each patient: those of the rarest class first, to the fold with fewest.

    Folds differ by at most one patient in size; among equals the smaller fold is chosen, then one
    at random.
    """
    fold_of = np.full(len(present), -1, dtype=np.int64)
    sizes = np.zeros(n_folds, dtype=np.int64)
    max_sizes = np.array(list(map(len, np.array_split(fold_of, n_folds))))
    n_of_class = np.zeros((n_folds, present.shape[1]), dtype=np.int64)
    for code in [*np.argsort(present.sum(axis=0), kind="stable"), None]:
        unassigned = fold_of < 0 if code is None else (fold_of < 0) & present[:, code]
        for patient in rng.permutation(np.flatnonzero(unassigned)):
            n_like = sizes if code is None else n_of_class[:, code]
            tie_break = rng.permutation(n_folds)
            fold = np.lexsort((tie_break, sizes, n_like, sizes >= max_sizes))[0]
            fold_of[patient] = fold
            sizes[fold] += 1
            n_of_class[fold] += present[patient]
    return fold_of


def _choose_validators(
    present: Presence, folds: list[Patients], validation: int | float
) -> list[list[int]]:
    """Choose the patients that validate each fold.

    Preferred are, in this order, patients that cost train fewest classes, that have validated least
    often, and that are next in turn.
    """
    turn = np.concatenate(folds)
    n_times = np.zeros(len(present), dtype=np.int64)
    validators = []
    start = 0
    for tested in folds:
        start += len(tested)
        train = np.roll(turn, -start)[: len(turn) - len(tested)].tolist()
        chosen = []
        for _ in range(_number_of_validators(validation, len(train))):
            n_owners = present[train].sum(axis=0)  # (k,) patients of train with each class
            n_lost = (present[train] & (n_owners == 1)).sum(axis=1)  # classes if a patient leaves
            best = train.pop(int(np.lexsort((n_times[train], n_lost))[0]))
            n_times[best] += 1
            chosen.append(best)
        validators.append(chosen)
    return validators


def _number_of_validators(validation: int | float, n_rest: int) -> int:
    """Return the number of patients that validate, of `n_rest` that are not tested."""
    if isinstance(validation, int):
        n = int(validation)
    elif 0 < validation < 1:
        n = max(round(validation * n_rest), 1)
    else:
        raise SettingError(
            f"Expected validation as a whole number or a share between 0 and 1, got {validation}."
        )
    if not 1 <= n < n_rest:
        raise SettingError(
            "Expected at least 1 patient for validation and 1 for train, got "
            f"{n} for validation of the {n_rest} that are left when a fold is tested. "
            "Use more folds (--folds), or change validation."
        )
    return n
