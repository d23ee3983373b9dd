"""Which files there are, of which class, patient and split: what the readers of single files find out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels
from equipoise.exceptions import DataError

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
NO_PATIENTS = (
    "No patient ids were given, so every image counts as a patient of its own. If patients have several images, "
    "the comparison leaks: name them with groups (--groups REGEX) or a table (--table CSV)."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image file: its path relative to the root with "/", class, patient and split ("" if unknown)."""

    file: str
    label: str
    patient: str = ""
    split: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """The files of a source, sorted by path, so that the same files give the same dataset whoever lists them.

    Attributes:
        root: Folder that the paths are relative to.
        files: n paths relative to `root`, with "/"; they become the ids.
        labels: (n,) indices into `class_names`.
        class_names: k names.
        groups: (n,) patients as numbers; their names are never kept.
        splits: (n,) "train", "validation", "test" or ""; None if the source has no split.
        notes: Sentences for the report.
    """

    root: Path
    files: tuple[str, ...]
    labels: Labels
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    splits: NDArray[np.str_] | None
    notes: tuple[str, ...]


def list_rows(root: Path, rows: Iterable[Row], notes: Sequence[str] = ()) -> Listing:
    """Sort rows, number classes by name and patients by name, and check that a comparison is possible.

    Raises:
        DataError: Fewer than two classes, a class that is too small, or one that is not in the train split.
    """
    rows = sorted(rows, key=lambda row: row.file)
    class_names = tuple(sorted({row.label for row in rows}, key=_by_number))
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.array([index[row.label] for row in rows], dtype=np.int64)
    splits = np.array([row.split for row in rows]) if any(row.split for row in rows) else None
    check_classes(labels, class_names, splits, source=root)
    patients = [row.patient for row in rows]
    has_patients = any(patients)
    return Listing(
        root=root,
        files=tuple(row.file for row in rows),
        labels=labels,
        class_names=class_names,
        groups=_numbers(patients) if has_patients else np.arange(len(rows), dtype=np.int64),
        splits=splits,
        notes=(*notes, *(() if has_patients else (NO_PATIENTS,))),
    )


def check_classes(
    labels: Labels, class_names: Sequence[str], splits: NDArray[np.str_] | None, *, source: Path
) -> None:
    """Refuse classes that cannot be compared or split.

    Raises:
        DataError: Fewer than two classes, a class with fewer than two images, or a class with no image in the train
            part of the source's own split.
    """
    if len(class_names) < 2:
        raise DataError(
            f"Expected at least 2 classes in {source}, got {len(class_names)}: {first_few(class_names)}. "
            "Give the folder above the class folders, or a table with two labels or more."
        )
    counts = np.bincount(labels, minlength=len(class_names))
    for name, count in zip(class_names, counts.tolist(), strict=True):
        if count < 2:
            raise DataError(
                f"Class '{name}' of {source} has {count} image{'s' * (count != 1)}, and at least 2 are needed to "
                "train and to test. Add images, merge the class into another one, or remove it."
            )
    if splits is None:
        return
    trained = set(labels[np.isin(splits, ("train", ""))].tolist())
    if absent := [name for label, name in enumerate(class_names) if label not in trained]:
        raise DataError(
            f"Expected every class of {source} in its train split, got none there of {first_few(absent)}. "
            "Correct the spelling of the class, or move some of its patients to train."
        )


def find_patients(files: Sequence[str], pattern: str) -> list[str]:
    """Search the patient in each path: the pattern's first group, or else the whole match.

    Raises:
        DataError: Files that do not match.
    """
    matches = [re.search(pattern, file) for file in files]
    names = ["" if match is None else _patient(match) for match in matches]
    if missed := [file for file, name in zip(files, names, strict=True) if not name]:
        raise DataError(
            f"groups (--groups) {pattern!r} finds no patient in {len(missed)} of {len(files)} files: "
            f"{first_few(missed)}. Change the expression, or rename the files."
        )
    return names


def _patient(match: re.Match[str]) -> str:
    return (match[1] if match.re.groups else None) or match[0]


def first_few(names: Sequence[str], n_shown: int = 5) -> str:
    """Say "a, b, c and 12 more"."""
    rest = len(names) - n_shown
    return ", ".join(names[:n_shown]) + (f" and {rest} more" if rest > 0 else "")


def _numbers(patients: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(patients), return_inverse=True)[1].astype(np.int64)


def _by_number(name: str) -> tuple[bool, int, str]:
    """Sort 2 before 10 and words by the alphabet."""
    return (False, int(name), name) if name.isdecimal() else (True, 0, name)
