"""The values in label files: their meaning, the scheme they fit, and their class codes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.data.images.listing import first_few
from equipoise.data.volumes.file import VolumeFile
from equipoise.discovery import Family
from equipoise.exceptions import DataError

MAX_VALUE = 255  # label maps are written in 8 bits
MAX_LISTED = 8  # values in a message


@dataclass(frozen=True, kw_only=True)
class LabelScheme:
    """A table of label values, classes and regions.

    The text of all fields is part of the fingerprint of a dataset: rewording one makes every stored
    run on volumes look as if it were of other data.

    Attributes:
        name: Name in the options.
        values: (k,) value of each class in the label files; that of class 0, healthy tissue, first.
        class_names: k names.
        regions: Name -> codes (positions in `values`) of its classes; the most difficult last.
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
        return ", ".join(map("{} {}".format, self.values, self.class_names))


# Regions: Menze et al. (2015); later challenges merge values 1 and 3.
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
BRATS_2023 = LabelScheme(
    name="brats2023",
    values=(0, 1, 2, 3),
    class_names=("healthy", "necrosis and non-enhancing", "edema", "enhancing"),
    regions={"whole": (1, 2, 3), "core": (1, 3), "active": (3,)},
    source="BraTS 2023 and later number enhancing tumor 3; otherwise brats2017",
)
LABEL_SCHEMES = {scheme.name: scheme for scheme in (BRATS_2013, BRATS_2017, MSD_BRAIN, BRATS_2023)}
FAMILY = Family(
    name="label_schemes",
    summary="Meanings of the numbers in label files: --labels.",
    members=LABEL_SCHEMES,
)


def plain(values: Sequence[int]) -> LabelScheme:
    """Build a scheme from the values in label files: every class but the first is a region.

    Raises:
        DataError: Fewer than two values, or a repeated one.

    Example:
        >>> scheme = plain([0, 3, 7])
        >>> scheme.summary, scheme.regions
        ('0 healthy, 3 label 3, 7 label 7', {'label 3': (1,), 'label 7': (2,)})
    """
    values = tuple(map(int, values))
    if len(values) < 2 or len(set(values)) < len(values):
        raise DataError(
            f"Expected at least two different label values, got {list(values)}. "
            "Check the label files."
        )
    names = ["healthy"]
    regions = {}
    for code, value in enumerate(values[1:], start=1):
        names.append(f"label {value}")
        regions[f"label {value}"] = (code,)
    return LabelScheme(
        name="plain",
        values=values,
        class_names=tuple(names),
        regions=regions,
        source="the label files",
    )


def find_scheme(name: str, values: Sequence[int]) -> LabelScheme:
    """Return a scheme by its stored name and values; a "plain" one is built from the values."""
    return LABEL_SCHEMES[name] if name in LABEL_SCHEMES else plain(values)


def label_values(file: VolumeFile, case: str) -> tuple[int, ...]:
    """Return the distinct values of a label file, increasing; whole numbers may be stored as float.

    Raises:
        DataError: A value is not a whole number from 0 to 255.
    """
    values = np.unique(file.array)
    is_label = (values >= 0) & (values <= MAX_VALUE) & (values == np.floor(values))
    if not is_label.all():
        raise DataError(
            f"Case {case}: expected whole numbers from 0 to {MAX_VALUE} in the label file "
            f"{file.path}, got {_listed(values[~is_label].tolist())}. If it was interpolated, "
            "resample it with nearest neighbors; if it is an image, give the file another name."
        )
    return tuple(map(int, values))


def guess_scheme(cases: Mapping[str, Collection[int]]) -> LabelScheme:
    """Guess what the values of all label files of a source mean.

    3 and 4 together are brats2013 and 4 without 3 is brats2017; a set without either is a class for
    each value. 3 without 4 is not guessed: it is enhancing tumor in msd_brain (where 1 is edema)
    and in brats2023 (where 2 is), and not enhancing in brats2013.

    Args:
        cases: Name of each case -> its values.

    Raises:
        DataError: No value but 0, or values that several schemes give other meanings; the message
            names these.

    Example:
        >>> guess_scheme({"p1": [0, 1, 2, 4]}).name, guess_scheme({"p1": [0, 1]}).name
        ('brats2017', 'plain')
    """
    present = {0}.union(*cases.values())
    if len(present) < 2:
        raise DataError(
            "Expected label maps with a tumor, got only 0 in all of them. Check the label files."
        )
    if not present & {3, 4} or not present <= set(BRATS_2013.values):
        return plain(sorted(present))
    with_3, with_4 = [], []
    for case, values in sorted(cases.items()):
        if 4 in values:
            with_4.append(case)
        elif 3 in values:
            with_3.append(case)
    if not with_3:
        return BRATS_2013 if 3 in present else BRATS_2017
    raise DataError(_two_meanings(with_3, with_4))


def _two_meanings(with_3: Sequence[str], with_4: Sequence[str]) -> str:
    """Return what the values of cases with 3 but without 4 may mean, beside others with 4."""
    if with_4:
        got = (
            f"4 in some cases ({first_few(with_4)}) and 3 but no 4 in others "
            f"({first_few(with_3)}), as if they were of different years"
        )
        schemes = [BRATS_2013]
        fix = "Read them separately, or name the scheme of all"
    else:
        got = f"the values 0 to 3 ({first_few(with_3)}), which have several"
        schemes = [BRATS_2023, MSD_BRAIN, BRATS_2013]
        fix = "Name the scheme"
    meanings = "; ".join(f"{scheme.name} ({scheme.summary})" for scheme in schemes)
    return (
        f"Expected label files with one meaning, got {got}. {fix} with labels (--labels): "
        f"{meanings}; or plain (a class for each value)."
    )


def encode(file: VolumeFile, scheme: LabelScheme, case: str) -> NDArray[np.uint8]:
    """Convert label values to class codes (z, y, x).

    Raises:
        DataError: Values that the scheme does not have; the message names the schemes that do.
    """
    present = set(label_values(file, case))
    if unexpected := sorted(present.difference(scheme.values)):
        fitting = [name for name, other in LABEL_SCHEMES.items() if present <= set(other.values)]
        raise DataError(
            f"Case {case}: expected the label values {_listed(scheme.values)} of '{scheme.name}' "
            f"in {file.path}, got also {_listed(unexpected)}. "
            f"Schemes that fit all its values: {', '.join((*fitting, 'plain'))}."
        )
    codes = np.zeros(MAX_VALUE + 1, dtype=np.uint8)  # value -> code
    codes[list(scheme.values)] = np.arange(len(scheme.values))
    return codes[file.array.astype(np.uint8)]


def _listed(values: Collection[float]) -> str:
    texts = map("{:g}".format, list(values)[:MAX_LISTED])
    return ", ".join(texts) + (", ..." if len(values) > MAX_LISTED else "")
