"""The files of a source with their classes, patients and splits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels
from equipoise.data.spelling import class_name_faults
from equipoise.exceptions import DataError, ListingError
from equipoise.validation import joined_faults

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "tune": "validation",
    "tuning": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
SPLIT_FILLERS = ("set", "sets", "data", "images", "imgs", "split")  # as in "training_set"
NO_PATIENTS = (
    "No patient ids were given, so every image counts as a separate patient. If patients have "
    "several images, the comparison leaks: name them with groups (--groups REGEX, searched in the "
    "names of files), or in a table (--table CSV --group-column NAME)."
)


@dataclass(frozen=True, kw_only=True)
class ListedImage:
    """One image file: path relative to the root with "/", class, patient and split.

    Patient and split are "" if they are not known.
    """

    file: str
    label: str
    patient: str = ""
    split: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """The files of a source, sorted by path, so that their order on disk does not matter.

    Attributes:
        root: Folder that the paths are relative to.
        files: n paths relative to `root`, with "/"; they become the ids.
        labels: (n,) indices into `class_names`.
        class_names: k names.
        groups: (n,) patients as numbers; their names are never stored.
        splits: (n,) "train", "validation", "test" or ""; None if the source has no split.
        notes: Sentences for the report.
        by_table: Whether a table names the files, so that nobody guessed which are images.
    """

    root: Path
    files: tuple[str, ...]
    labels: Labels
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    splits: NDArray[np.str_] | None
    notes: tuple[str, ...]
    by_table: bool = False

    @property
    def class_of(self) -> dict[str, str] | None:
        """File -> class; None where a table says it."""
        if self.by_table:
            return None
        return {
            file: self.class_names[label]
            for file, label in zip(self.files, self.labels.tolist(), strict=True)
        }


def list_images(
    root: Path,
    images: Iterable[ListedImage],
    notes: Sequence[str] = (),
    *,
    by_table: bool = False,
    problems: Sequence[str] = (),
) -> Listing:
    """Sort images, number classes and patients by name, and check that a comparison is possible.

    Raises:
        DataError: Fewer than two classes, a class that is too small, or one that is not in the
            train split.

    Example:
        >>> images = []
        >>> for i in range(4):
        ...     images.append(ListedImage(file=f"{i}.png", label="ab"[i % 2], patient="p"))
        >>> listing = list_images(Path("films"), images)
        >>> listing.class_names, listing.labels.tolist(), listing.groups.tolist()
        (('a', 'b'), [0, 1, 0, 1], [0, 0, 0, 0])
    """
    files: list[str] = []
    names: list[str] = []
    patients: list[str] = []
    splits: list[str] = []
    for image in sorted(images, key=attrgetter("file")):
        files.append(image.file)
        names.append(image.label)
        patients.append(image.patient)
        splits.append(image.split)
    # Numbers by value (2 before 10), then words by the alphabet.
    numbers = sorted(filter(str.isdecimal, set(names)), key=lambda name: (int(name), name))
    class_names = (*numbers, *sorted(set(names).difference(numbers)))
    labels = np.array(list(map(class_names.index, names)), dtype=np.int64)
    splits_or_none = np.array(splits) if any(splits) else None
    faults = class_name_faults(set(names))
    if faults:
        problems = [*problems, joined_faults(root, faults)]
    else:
        problems = [*problems, *class_faults(labels, class_names, splits_or_none, source=root)]
    if problems:
        class_of = None if by_table else dict(zip(files, names, strict=True))
        raise ListingError("\n".join(problems), class_names, class_of)
    if any(patients):
        groups = np.unique(np.array(patients), return_inverse=True)[1].astype(np.int64)
    else:
        groups = np.arange(len(files), dtype=np.int64)
        notes = (*notes, NO_PATIENTS)
    return Listing(
        root=root,
        files=tuple(files),
        labels=labels,
        class_names=class_names,
        groups=groups,
        splits=splits_or_none,
        notes=tuple(notes),
        by_table=by_table,
    )


def check_classes(
    labels: Labels, class_names: Sequence[str], splits: NDArray[np.str_] | None, *, source: Path
) -> None:
    """Check that classes can be compared and split.

    Raises:
        DataError: They cannot; see `class_faults`.
    """
    faults = class_faults(labels, class_names, splits, source=source)
    if faults:
        raise DataError("\n".join(faults))


def class_faults(
    labels: Labels, class_names: Sequence[str], splits: NDArray[np.str_] | None, *, source: Path
) -> list[str]:
    """Return why classes cannot be compared and split.

    Fewer than two classes, a class with fewer than two images, or a class with no image in the
    train part of the source's own split.
    """
    if len(class_names) < 2:
        return [
            f"Expected at least 2 classes in {source}, got {len(class_names)}: "
            f"{first_few(class_names)}. "
            "Give the folder above the class folders, or a table with at least two labels."
        ]
    counts = np.bincount(labels, minlength=len(class_names))
    small_classes: list[str] = []
    for name, count in zip(class_names, counts.tolist(), strict=True):
        if count < 2:
            small_classes.append(f"'{name}' ({count})")
    faults = []
    if small_classes:
        faults.append(
            f"Expected at least 2 images of every class in {source}, to train and to test, got "
            f"fewer of {first_few(small_classes)}. Add images, merge these classes into others, or "
            "remove them."
        )
    if splits is None:
        return faults
    trained = set(labels[np.isin(splits, ("train", ""))].tolist())
    if absent := [name for label, name in enumerate(class_names) if label not in trained]:
        faults.append(
            f"Expected every class of {source} in its train split, got none there of "
            f"{first_few(absent)}. "
            "Correct the spelling of the class, or move some of its patients to train."
        )
    return faults


def split_of(folder: str) -> str:
    """Return the part of a split that a folder is called like, "" if it is not.

    Example:
        >>> split_of("Training"), split_of("test_set"), split_of("val2017"), split_of("testicle")
        ('train', 'test', 'validation', '')
    """
    name = "".join(re.split(r"[\W_]+", folder.lower()))
    name = re.sub(r"(19|20)\d\d$", "", name)  # the year of a challenge: train2017
    for filler in ("", *SPLIT_FILLERS):
        part = SPLIT_NAMES.get(name.removesuffix(filler))
        if part is not None:
            return part
    return ""


def find_patients(files: Sequence[str], pattern: str) -> tuple[list[str], list[str]]:
    r"""Search for the patient in each path: the pattern's first group, or else the whole match.

    Returns:
        The patients, "" where nothing matches, and a fault where some files do not.

    Example:
        >>> find_patients(["benign/p12_a.png", "malignant/p7_b.png"], r"p(\d+)")
        (['12', '7'], [])
    """
    patients = []
    unmatched = []
    for file in files:
        match = re.search(pattern, file)
        first_group = match[1] if match is not None and match.re.groups else None
        patient = first_group or (match[0] if match is not None else "")
        patients.append(patient)
        if not patient:
            unmatched.append(file)
    if not unmatched:
        return patients, []
    return patients, [
        f"groups (--groups) {pattern!r} finds no patient in {len(unmatched)} of {len(files)} "
        f"files: {first_few(unmatched)}. Change the expression, or rename the files."
    ]


def first_few(names: Sequence[str], n_shown: int = 5) -> str:
    """Return the names for a message, with the number of those left out.

    Example:
        >>> first_few(["a", "b", "c", "d"], n_shown=2)
        'a, b and 2 more'
    """
    n_more = len(names) - n_shown
    return ", ".join(names[:n_shown]) + (f" and {n_more} more" if n_more > 0 else "")
