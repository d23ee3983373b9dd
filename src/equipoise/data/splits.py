"""Train, validation and test rows that share no patient: hold-out, folds, the source's split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows, fingerprint
from equipoise.atomic import read_json, reading, write_json
from equipoise.checksums import check_file
from equipoise.data.dataset import ImageDataset
from equipoise.data.stratification import apportion
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.randomness import make_rng

PARTS = ("train", "validation", "test")


class Splittable(Protocol):
    """What a split needs of a dataset: an `ImageDataset`, or a `VolumeDataset` of cases as rows."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def ids(self) -> NDArray[np.str_]:
        """(n,) names of the rows."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) classes of the rows."""

    @property
    def groups(self) -> NDArray[np.int64]:
        """(n,) patients."""

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """(n,) True where a row is synthetic."""

    def __len__(self) -> int: ...

    @property
    def needed_in_train(self) -> set[int]:
        """Classes that every split has to train on."""

    def present(self, rows: Any) -> set[int]:
        """Return the classes that occur in some rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Increasing rows (int64) that train, validate and test a model, without a common patient."""

    name: str
    train: Rows
    validation: Rows
    test: Rows

    def check(self, dataset: Splittable) -> None:
        """Check that parts share no row and no patient, and only train has synthetic rows.

        Raises:
            LeakageError: A row or a patient is in two parts, or a synthetic image is in validation
                or test.
            DataError: A part is empty or names rows that do not exist, or a class of the dataset is
                not in train.
        """
        n = len(dataset)
        for part in PARTS:
            rows = getattr(self, part)
            if len(rows) == 0:
                raise DataError(f"Expected at least one image in {part} of {self.name}, got none.")
            if rows.min() < 0 or rows.max() >= n:
                raise DataError(
                    f"Expected rows from 0 to {n - 1} in {part} of {self.name}, got {rows.min()} "
                    f"to {rows.max()}. Use the dataset that was split."
                )
        for a, b in combinations(PARTS, 2):
            self._check_disjoint(dataset, a, b)
        evaluated = np.concatenate([self.validation, self.test])
        if n_synthetic := int(dataset.synthetic[evaluated].sum()):
            raise LeakageError(
                f"Expected real images only in validation and test of {self.name}, got "
                f"{n_synthetic} synthetic. "
                "Split the original images first and add synthetic ones to train."
            )
        if missing := sorted(dataset.needed_in_train - dataset.present(self.train)):
            names = ", ".join(f"'{dataset.class_names[label]}'" for label in missing)
            raise DataError(
                f"Train of {self.name} has no image of class {names}. Draw new splits with "
                "--new-splits (in Python hold_out(dataset))."
            )

    def _check_disjoint(self, dataset: Splittable, a: str, b: str) -> None:
        rows_a, rows_b = getattr(self, a), getattr(self, b)
        shared_rows = np.intersect1d(rows_a, rows_b)
        if len(shared_rows):
            raise LeakageError(
                f"{_listed('Image', dataset.ids[shared_rows])} in both {a} and {b} of {self.name}. "
                "Give every image to one part, for example with hold_out(dataset)."
            )
        patients_a = dataset.groups[rows_a][~dataset.synthetic[rows_a]]
        patients_b = dataset.groups[rows_b][~dataset.synthetic[rows_b]]
        shared_patients = np.intersect1d(patients_a, patients_b)
        if len(shared_patients):
            raise LeakageError(
                f"{_listed('Patient', shared_patients)} in both {a} and {b} of {self.name}. "
                "Split by patient with hold_out(dataset)."
            )


def hold_out(
    dataset: ImageDataset,
    *,
    n_splits: int = 3,
    test: float = 0.25,
    validation: float = 0.15,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Draw splits by patient, independently of one another; classes keep their share of each part.

    Args:
        dataset: Real images.
        n_splits: Number of splits; their test parts overlap.
        test: Share of all images.
        validation: Share of all images.
        seed: The same seed gives the same splits.

    Raises:
        DataError: A class has too few patients to be in every part.
        LeakageError: The dataset has synthetic images.
        SettingError: A share or a number is out of range.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((60, 24), size=28)
        >>> (split,) = hold_out(dataset, n_splits=1)
        >>> split.check(dataset)
        >>> len(split.train) + len(split.validation) + len(split.test)
        84

    See Also:
        k_fold: Test every patient once.
        source_splits: Keep the test part that comes with the data.
        equipoise.data.patient_folds.patient_folds: Folds of volumes.
    """
    _check_settings(n_splits, test, validation)
    shares = {"train": 1 - test - validation, "validation": validation, "test": test}
    rows = _real_rows(dataset)
    splits = []
    for i in range(n_splits):
        parts = apportion(dataset, rows, shares, make_rng(seed, "hold-out", i))
        splits.append(Split(name=f"split-{i}", **parts))
    return tuple(splits)


def k_fold(
    dataset: ImageDataset,
    *,
    n_folds: int = 5,
    n_repeats: int = 1,
    validation: float = 0.15,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Test every patient once in each repeat.

    The rest of each fold is divided into train and validation, which gets the share `validation` of
    all images.

    Returns:
        `n_folds * n_repeats` splits, the folds of a repeat together.

    Raises:
        DataError: A class has too few patients to be in every fold, or in both parts of the rest.
        LeakageError: The dataset has synthetic images.
        SettingError: A share or a number is out of range.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> sum(len(split.test) for split in k_fold(cells((60, 30), size=28), n_folds=3))
        90
    """
    if n_folds < 2:
        raise SettingError(f"Expected at least 2 folds, got {n_folds}.")
    _check_settings(n_repeats, 1 / n_folds, validation)
    share_of_rest = validation * n_folds / (n_folds - 1)
    rest_shares = {"train": 1 - share_of_rest, "validation": share_of_rest}
    fold_shares = {f"fold {k + 1}": 1 / n_folds for k in range(n_folds)}
    rows = _real_rows(dataset)
    splits: list[Split] = []
    for repeat in range(n_repeats):
        folds = apportion(dataset, rows, fold_shares, make_rng(seed, "folds", repeat))
        for test in folds.values():
            rng = make_rng(seed, "folds", repeat, len(splits))
            rest = apportion(dataset, np.setdiff1d(rows, test), rest_shares, rng)
            splits.append(Split(name=f"split-{len(splits)}", test=test, **rest))
    return tuple(splits)


def source_splits(
    dataset: ImageDataset,
    assigned: Sequence[str] | NDArray[np.str_],
    *,
    validation: float = 0.15,
    n_splits: int = 1,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Keep the split that the images came with.

    If it has no validation part, one is drawn from train by patient, `n_splits` times. If it has
    one, nothing is random, and the result is one split whatever `n_splits` is: repeating it would
    count it twice.

    Args:
        dataset: Real images.
        assigned: (n,) "train", "validation", "test", or "" if the source does not say, which counts
            as train.
        validation: Share of the source's training images.
        n_splits: Number of random validation parts.
        seed: The same seed gives the same splits.

    Raises:
        LeakageError: Patients cross the source's split.
        DataError: Other names, no test or no training images, or a class with too few patients.
        SettingError: A share or a number is out of range.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((60, 24), size=28)
        >>> in_test = dataset.groups % 7 == 0
        >>> splits = source_splits(dataset, np.where(in_test, "test", "train"), n_splits=2)
        >>> all(np.array_equal(split.test, np.flatnonzero(in_test)) for split in splits)
        True
    """
    _check_settings(n_splits, validation)
    _real_rows(dataset)
    source = _source_parts(dataset, np.asarray(assigned))
    if len(source["validation"]):
        splits = [Split(name="split-0", **source)]
    else:
        splits = []
        shares = {"train": 1 - validation, "validation": validation}
        for i in range(n_splits):
            parts = apportion(dataset, source["train"], shares, make_rng(seed, "source", i))
            splits.append(Split(name=f"split-{i}", test=source["test"], **parts))
    for split in splits:
        split.check(dataset)
    return tuple(splits)


def save_splits(path: Path, splits: Sequence[Split], dataset: Splittable) -> None:
    """Write splits as JSON by image ids, so that they fit another image size or order of files.

    Raises:
        DataError: Two images have the same id.

    Example:
        >>> import tempfile
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((60, 24), size=28)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_splits(Path(folder, "splits.json"), hold_out(dataset), dataset)
        ...     splits = load_splits(Path(folder, "splits.json"), dataset)
        >>> [split.name for split in splits]
        ['split-0', 'split-1', 'split-2']
    """
    if len(np.unique(dataset.ids)) < len(dataset):
        raise DataError(
            "Expected a different id for each image, got repeated ones. "
            "Give every image its own id."
        )
    stored = []
    for split in splits:
        ids = {part: dataset.ids[getattr(split, part)].tolist() for part in PARTS}
        stored.append({"name": split.name, **ids})
    content = {"version": 1, "dataset": _identity(dataset), "splits": stored}
    write_json(Path(path), content, checksum=True)


def load_splits(path: Path, dataset: Splittable) -> tuple[Split, ...]:
    """Load splits that `save_splits` wrote, and check every split again.

    Raises:
        DataError: The file is missing or damaged, or was made for other images, labels or patients.
        LeakageError: Patients cross.
    """
    path = Path(path)
    check_file(path)
    if not path.is_file():
        raise DataError(
            f"Expected a file of splits at {path}, found none. Write one with save_splits."
        )
    entries: list[tuple[str, dict[str, list[str]]]] = []  # name of the split, ids of each part
    with reading(path):
        stored = read_json(path)
        made_for = stored["dataset"]
        for entry in stored["splits"]:
            ids = {part: list(map(str, entry[part])) for part in PARTS}
            entries.append((str(entry["name"]), ids))
    if made_for != _identity(dataset):
        raise DataError(
            f"The splits in {path} are of other images, labels or patients. Delete it, split again."
        )
    row_of = {name: row for row, name in enumerate(dataset.ids.tolist())}
    splits = []
    for name, ids in entries:
        if unknown := sorted(set().union(*ids.values()).difference(row_of)):
            images = _listed("Image", unknown)
            raise DataError(f"{images} in the file of splits but not in the dataset. Split again.")
        rows = {}
        for part in PARTS:
            rows[part] = np.array(sorted(map(row_of.__getitem__, ids[part])), dtype=np.int64)
        splits.append(Split(name=name, **rows))
    for split in splits:
        split.check(dataset)
    return tuple(splits)


def _identity(dataset: Splittable) -> str:
    """Hash what splits depend on, in the order of the ids; the pixels do not matter to them."""
    order = np.argsort(dataset.ids)
    return fingerprint(
        dataset.ids[order].tolist(),
        dataset.labels[order],
        dataset.groups[order],
        dataset.class_names,
    )


def _source_parts(dataset: ImageDataset, assigned: NDArray[Any]) -> dict[str, Rows]:
    """Return the rows of each part of the source's own split, after checking it."""
    if assigned.shape != (len(dataset),):
        raise DataError(
            f"Expected {len(dataset)} names of parts, one for each image, got {assigned.shape}."
        )
    assigned = np.where(assigned == "", "train", assigned)
    if unexpected := sorted(set(assigned.tolist()).difference(PARTS)):
        raise DataError(
            f"Expected every image in train, validation or test, got {unexpected}. "
            "Correct the source."
        )
    rows = {}
    patients_of_parts = []
    for part in PARTS:
        rows[part] = np.flatnonzero(assigned == part).astype(np.int64)
        patients_of_parts.append(np.unique(dataset.groups[rows[part]]))
    patients, n_parts = np.unique(np.concatenate(patients_of_parts), return_counts=True)
    crossing = patients[n_parts > 1]
    if len(crossing):
        images = dataset.ids[dataset.groups == crossing[0]]
        raise LeakageError(
            f"The source's own split has {len(crossing)} of {len(patients)} patients in two or "
            f"more parts, such as that of {', '.join(images[:3])}. "
            "Draw new splits by patient with --new-splits (in Python hold_out(dataset))."
        )
    for part in ("train", "test"):
        if not len(rows[part]):
            raise DataError(
                f"The source's own split has no {part} images. "
                "Draw new splits by patient with --new-splits (in Python hold_out(dataset))."
            )
    return rows


def _real_rows(dataset: ImageDataset) -> Rows:
    if n_synthetic := int(dataset.synthetic.sum()):
        raise LeakageError(
            f"Expected real images only, got {n_synthetic} synthetic. "
            "Split first, then add them to train."
        )
    return np.arange(len(dataset), dtype=np.int64)


def _check_settings(n_splits: int, *shares: float) -> None:
    if n_splits < 1:
        raise SettingError(f"Expected at least 1 split or repeat, got {n_splits}.")
    if not (all(0 < share < 1 for share in shares) and sum(shares) < 1):
        raise SettingError(
            "Expected shares above 0 that leave images to train on, got "
            f"{' + '.join(map('{:g}'.format, shares))}. "
            "Change test or validation, or use more folds."
        )


def _listed(noun: str, names: Iterable[Any], n_shown: int = 3) -> str:
    """Return "Patients 104 and 211 are", with the first few names and the number of the others."""
    names = list(map(str, names))
    if len(names) == 1:
        return f"{noun} {names[0]} is"
    shown = names[:n_shown]
    if len(names) > n_shown:
        shown.append(f"{len(names) - n_shown} more")
    return f"{noun}s {', '.join(shown[:-1])} and {shown[-1]} are"
