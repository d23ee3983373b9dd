"""The numbers in label files: reading them, guessing what they mean, and turning them into class codes."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from equipoise.data.label_schemes import LABEL_SCHEMES, LabelScheme, plain
from equipoise.data.volume_file import VolumeFile
from equipoise.exceptions import DataError

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
        raise DataError("Expected label maps with a tumor, got only 0 in all of them. Check the label files.")
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
