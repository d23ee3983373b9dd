"""The numbers in label files: reading them, guessing what they mean, and turning them into class codes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.file import VolumeFile
from equipoise.discovery import Family
from equipoise.exceptions import DataError


@dataclass(frozen=True, kw_only=True)
class LabelScheme:
    """A table of labels.

    Attributes:
        name: How it is asked for.
        values: (k,) number in the label files of each class; that of class 0, healthy tissue, first.
        class_names: (k,) names.
        regions: Name -> codes (positions in `values`) of the classes that make it up; the most difficult last.
        source: Where it is defined.
    """

    name: str
    values: tuple[int, ...]
    class_names: tuple[str, ...]
    regions: Mapping[str, tuple[int, ...]]
    source: str

    @property
    def summary(self) -> str:
        """One line for lists."""
        return ", ".join(
            f"{value} {name}" for value, name in zip(self.values, self.class_names, strict=True)
        )


BRATS_2013 = LabelScheme(
    name="brats2013",
    values=(0, 1, 2, 3, 4),
    class_names=("healthy", "necrosis", "edema", "non-enhancing", "enhancing"),
    regions={"whole": (1, 2, 3, 4), "core": (1, 3, 4), "active": (4,)},
    source="methods 6.1 and 6.4 (paper S3)",
)
BRATS_2017 = LabelScheme(
    name="brats2017",
    values=(0, 1, 2, 4),
    class_names=("healthy", "necrosis and non-enhancing", "edema", "enhancing"),
    regions={"whole": (1, 2, 3), "core": (1, 3), "active": (3,)},
    source="methods 6.4 (BraTS 2017 and later merge 1 and 3)",
)
MSD_BRAIN = LabelScheme(
    name="msd_brain",
    values=(0, 1, 2, 3),
    class_names=("healthy", "edema", "necrosis and non-enhancing", "enhancing"),
    regions={"whole": (1, 2, 3), "core": (2, 3), "active": (3,)},
    source="Medical Segmentation Decathlon, task 1",
)

LABEL_SCHEMES = {scheme.name: scheme for scheme in (BRATS_2013, BRATS_2017, MSD_BRAIN)}
FAMILY = Family(
    name="label_schemes",
    summary="Meanings of the numbers in label files: --labels.",
    members=LABEL_SCHEMES,
)


def plain(values: Sequence[int]) -> LabelScheme:
    """Make a scheme from the numbers found in label files: every class but the first is a region of its own.

    Raises:
        DataError: Fewer than two values, or the same one twice.
    """
    values = tuple(int(value) for value in values)
    if len(values) < 2 or len(set(values)) < len(values):
        raise DataError(
            f"Expected at least two different label values, got {list(values)}. Check the label files."
        )
    names = ("healthy", *(f"label {value}" for value in values[1:]))
    regions = {name: (code,) for code, name in enumerate(names) if code}
    return LabelScheme(
        name="plain", values=values, class_names=names, regions=regions, source="the label files"
    )


HIGHEST = 255  # label maps are written in 8 bits
FIRST_SHOWN = 8


def label_values(file: VolumeFile, case: str) -> tuple[int, ...]:
    """Give the different values of a label file, increasing; floats are taken if they are whole numbers.

    Raises:
        DataError: A value is no whole number from 0 to 255.
    """
    values = np.unique(file.array)
    wrong = values[~((values >= 0) & (values <= HIGHEST) & (values == np.floor(values)))]
    if len(wrong):
        raise DataError(
            f"Case {case}: expected whole numbers from 0 to {HIGHEST} in the label file {file.path}, got "
            f"{_list(wrong.tolist())}. If it was interpolated, resample it with nearest neighbors; if it is an "
            "image, give the file another name."
        )
    return tuple(int(value) for value in values)


def guess_scheme(values: Collection[int]) -> LabelScheme:
    """Guess what the values of all label files of a source mean.

    3 and 4 together are brats2013, 4 without 3 is brats2017, 3 without 4 is msd_brain (where 1 is edema!); anything
    else is a class for each value.

    Raises:
        DataError: No value but 0.
    """
    found = set(values) | {0}
    if len(found) < 2:
        raise DataError(
            "Expected label maps with a tumor, got only 0 in all of them. Check the label files."
        )
    name = {(True, True): "brats2013", (False, True): "brats2017", (True, False): "msd_brain"}.get(
        (3 in found, 4 in found)
    )
    if name is not None and found <= set(LABEL_SCHEMES[name].values):
        return LABEL_SCHEMES[name]
    return plain(sorted(found))


def encode(file: VolumeFile, scheme: LabelScheme, case: str) -> NDArray[np.uint8]:
    """Turn label values into class codes (z, y, x).

    Raises:
        DataError: Values that the scheme does not know; the message says which schemes do.
    """
    found = label_values(file, case)
    if strange := sorted(set(found) - set(scheme.values)):
        fitting = [name for name, known in LABEL_SCHEMES.items() if set(found) <= set(known.values)]
        raise DataError(
            f"Case {case}: expected the label values {_list(scheme.values)} of '{scheme.name}' in {file.path}, got "
            f"also {_list(strange)}. Schemes that fit all its values: {', '.join((*fitting, 'plain'))}."
        )
    codes = np.zeros(HIGHEST + 1, dtype=np.uint8)
    codes[list(scheme.values)] = np.arange(len(scheme.values))
    return codes[file.array.astype(np.uint8)]


def _list(values: Collection[float]) -> str:
    shown = [f"{value:g}" for value in list(values)[:FIRST_SHOWN]]
    return ", ".join(shown) + (", ..." if len(values) > FIRST_SHOWN else "")
