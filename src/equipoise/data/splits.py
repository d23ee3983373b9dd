"""Train, validation and test rows that share no patient: repeated hold-out, folds, and a source's own split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows, fingerprint
from equipoise.atomic import read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.stratification import apportion
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.randomness import make_rng

PARTS = ("train", "validation", "test")


class Splittable(Protocol):
    """What a split needs of a data set: an `ImageDataset`, or a `VolumeDataset` whose rows are cases."""

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
        """Say which classes occur in some rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows of a dataset that train, choose and judge a model: increasing int64 arrays without a common patient."""

    name: str
    train: Rows
    validation: Rows
    test: Rows

    def check(self, dataset: Splittable) -> None:
        """Make sure that nothing leaks (methods 1.3, rules 1 and 2).

        Raises:
            LeakageError: A row or a patient is in two parts, or a synthetic image is in validation or test.
            DataError: A part is empty or names rows that do not exist, or a class of the dataset is not in train.
        """
        self._check_rows(len(dataset))
        for a, b in combinations(PARTS, 2):
            self._check_disjoint(dataset, a, b)
        held = np.concatenate([self.validation, self.test])
        if n := int(dataset.synthetic[held].sum()):
            raise LeakageError(
                f"Expected real images only in validation and test of {self.name}, got {n} synthetic. "
                "Split the original images first and add synthetic ones to train."
            )
        if missing := sorted(dataset.needed_in_train - dataset.present(self.train)):
            names = ", ".join(f"'{dataset.class_names[label]}'" for label in missing)
            raise DataError(
                f"Train of {self.name} has no image of class {names}. Split with hold_out(dataset)."
            )

    def _check_rows(self, n: int) -> None:
        for part in PARTS:
            rows = getattr(self, part)
            if len(rows) == 0:
                raise DataError(f"Expected at least one image in {part} of {self.name}, got none.")
            if rows.min() < 0 or rows.max() >= n:
                raise DataError(
                    f"Expected rows from 0 to {n - 1} in {part} of {self.name}, got {rows.min()} to {rows.max()}. "
                    "Use the dataset that was split."
                )

    def _check_disjoint(self, dataset: Splittable, a: str, b: str) -> None:
        rows_a, rows_b = getattr(self, a), getattr(self, b)
        if len(rows := np.intersect1d(rows_a, rows_b)):
            raise LeakageError(
                f"{_listed('Image', dataset.ids[rows])} in both {a} and {b} of {self.name}. "
                "Give every image to one part, for example with hold_out(dataset)."
            )
        real_a, real_b = (
            dataset.groups[rows][~dataset.synthetic[rows]] for rows in (rows_a, rows_b)
        )
        if len(patients := np.intersect1d(real_a, real_b)):
            raise LeakageError(
                f"{_listed('Patient', patients)} in both {a} and {b} of {self.name}. "
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
    """Draw splits by patient, independently of one another; every class keeps its share of each part.

    Args:
        dataset: Real images.
        n_splits: Number of splits; their test parts overlap.
        test: Share of all images.
        validation: Share of all images.
        seed: The same seed gives the same splits.

    Raises:
        DataError: A class has too few patients to be in every part.
        LeakageError: The dataset holds synthetic images.
        SettingError: A share or a number is out of range.
    """
    _check_settings(n_splits, test, validation)
    shares = {"train": 1 - test - validation, "validation": validation, "test": test}
    rows = _real_rows(dataset)
    return tuple(
        Split(name=f"split-{i}", **apportion(dataset, rows, shares, make_rng(seed, "hold-out", i)))
        for i in range(n_splits)
    )


def k_fold(
    dataset: ImageDataset,
    *,
    n_folds: int = 5,
    n_repeats: int = 1,
    validation: float = 0.15,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Test every patient once in each repeat; gives `n_folds * n_repeats` splits, the folds of a repeat together.

    The rest of each fold is divided into train and validation, which gets the share `validation` of all images.

    Raises:
        DataError: A class has too few patients to be in every fold, or in both parts of the rest.
        LeakageError: The dataset holds synthetic images.
        SettingError: A share or a number is out of range.
    """
    if n_folds < 2:
        raise SettingError(f"Expected at least 2 folds, got {n_folds}.")
    _check_settings(n_repeats, 1 / n_folds, validation)
    shares = {f"fold {k + 1}": 1 / n_folds for k in range(n_folds)}
    rows = _real_rows(dataset)
    splits: list[Split] = []
    for repeat in range(n_repeats):
        for test in apportion(dataset, rows, shares, make_rng(seed, "folds", repeat)).values():
            rng = make_rng(seed, "folds", repeat, len(splits))
            rest = _carve(
                dataset, np.setdiff1d(rows, test), validation * n_folds / (n_folds - 1), rng
            )
            splits.append(Split(name=f"split-{len(splits)}", test=test, **rest))
    return tuple(splits)


def source_splits(
    dataset: ImageDataset, assigned: Sequence[str] | NDArray[np.str_], *, validation: float = 0.15,
    n_splits: int = 1, seed: int = 0,
) -> tuple[Split, ...]:  # fmt: skip
    """Keep the split that the images came with.

    Where it has no validation part, one is drawn from train by patient, `n_splits` times. Where it has one there
    is nothing to draw, and one split comes back whatever `n_splits` says: repeating it would count it twice.

    Args:
        dataset: Real images.
        assigned: (n,) "train", "validation", "test", or "" where the source does not say, which counts as train.
        validation: Share of the source's training images.
        n_splits: Number of draws of the validation part.
        seed: The same seed gives the same splits.

    Raises:
        LeakageError: Patients cross the source's split.
        DataError: Other names, no test or no training images, or a class with too few patients.
        SettingError: A share or a number is out of range.
    """
    _check_settings(n_splits, validation)
    _real_rows(dataset)
    own = _source_parts(dataset, np.asarray(assigned))
    if len(own["validation"]):
        drawn = [{"train": own["train"], "validation": own["validation"]}]
    else:
        rngs = [make_rng(seed, "source", i) for i in range(n_splits)]
        drawn = [_carve(dataset, own["train"], validation, rng) for rng in rngs]
    splits = tuple(
        Split(name=f"split-{i}", test=own["test"], **rest) for i, rest in enumerate(drawn)
    )
    for split in splits:
        split.check(dataset)
    return splits


def save_splits(path: Path, splits: Sequence[Split], dataset: Splittable) -> None:
    """Write splits as JSON by image ids, so that they also serve another image size or order of the files.

    Raises:
        DataError: Two images have the same id.
    """
    if len(np.unique(dataset.ids)) < len(dataset):
        raise DataError(
            "Expected a different id for each image, got repeated ones. Give every image its own id."
        )
    rows = [
        {"name": s.name, **{part: dataset.ids[getattr(s, part)].tolist() for part in PARTS}}
        for s in splits
    ]
    write_json(Path(path), {"version": 1, "dataset": _identity(dataset), "splits": rows})


def load_splits(path: Path, dataset: Splittable) -> tuple[Split, ...]:
    """Read what `save_splits` wrote, and check every split again.

    Raises:
        DataError: The file is missing or not a file of splits, or was made for other images, labels or patients.
        LeakageError: Patients cross.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"Expected a file of splits at {path}, found none. Write one with save_splits."
        )
    try:
        stored = read_json(path)
        made_for = stored["dataset"]
        named = [
            (split["name"], {part: split[part] for part in PARTS}) for split in stored["splits"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not a file of splits ({error!r}). Delete it, split again."
        ) from error
    if made_for != _identity(dataset):
        raise DataError(
            f"The splits in {path} are of other images, labels or patients. Delete it, split again."
        )
    splits = tuple(Split(name=name, **_rows(ids, dataset)) for name, ids in named)
    for split in splits:
        split.check(dataset)
    return splits


def _rows(ids: Mapping[str, list[str]], dataset: Splittable) -> dict[str, Rows]:
    row_of = {name: row for row, name in enumerate(dataset.ids.tolist())}
    if unknown := sorted({name for names in ids.values() for name in names} - set(row_of)):
        raise DataError(
            f"{_listed('Image', unknown)} in the file of splits but not in the dataset. Split again."
        )
    return {
        part: np.array(sorted(row_of[name] for name in names), dtype=np.int64)
        for part, names in ids.items()
    }


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
    if assigned.shape != (len(dataset),):
        raise DataError(
            f"Expected {len(dataset)} names of parts, one for each image, got {assigned.shape}."
        )
    assigned = np.where(assigned == "", "train", assigned)
    if strange := sorted(set(assigned.tolist()) - set(PARTS)):
        raise DataError(
            f"Expected every image in train, validation or test, got {strange}. Correct the source."
        )
    own = {part: np.flatnonzero(assigned == part).astype(np.int64) for part in PARTS}
    patients, n_parts = np.unique(
        np.concatenate([np.unique(dataset.groups[rows]) for rows in own.values()]),
        return_counts=True,
    )
    if len(crossing := patients[n_parts > 1]):
        raise LeakageError(
            f"The source's own split has {len(crossing)} of {len(patients)} patients in two parts or more: "
            f"{_listed('Patient', crossing)} crossing. Ignore it, and split by patient with hold_out(dataset)."
        )
    for part in ("train", "test"):
        if not len(own[part]):
            raise DataError(
                f"The source's own split has no {part} images. Ignore it, and use hold_out(dataset)."
            )
    return own


def _carve(
    dataset: ImageDataset, rows: Rows, validation: float, rng: np.random.Generator
) -> dict[str, Rows]:
    return apportion(dataset, rows, {"train": 1 - validation, "validation": validation}, rng)


def _real_rows(dataset: ImageDataset) -> Rows:
    if n := int(dataset.synthetic.sum()):
        raise LeakageError(
            f"Expected real images only, got {n} synthetic. Split first, then add them to train."
        )
    return np.arange(len(dataset), dtype=np.int64)


def _check_settings(n_splits: int, *shares: float) -> None:
    if n_splits < 1:
        raise SettingError(f"Expected at least 1 split or repeat, got {n_splits}.")
    if not (all(0 < share < 1 for share in shares) and sum(shares) < 1):
        raise SettingError(
            f"Expected shares above 0 that leave images to train on, got {' + '.join(f'{s:g}' for s in shares)}. "
            "Change test or validation, or use more folds."
        )


def _listed(noun: str, names: Iterable[Any], n_shown: int = 3) -> str:
    """Say "Patients 104 and 211 are", with the first few and the number of the others."""
    names = [str(name) for name in names]
    shown = names[:n_shown] + ([f"{len(names) - n_shown} more"] if len(names) > n_shown else [])
    return (
        f"{noun} {names[0]} is"
        if len(names) == 1
        else f"{noun}s {', '.join(shown[:-1])} and {shown[-1]} are"
    )
