"""Which label scheme the label file of a new case has: that of the run, or another one."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.file import read_volume
from equipoise.data.volumes.labels import LABEL_SCHEMES, LabelScheme, label_values
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError

EDEMA = "edema"
OPTION = "labels (--labels)"


@dataclass(frozen=True, kw_only=True)
class LabelCoding:
    """How the values of a case's label file are read.

    Attributes:
        file: The label file.
        scheme: Meaning of its values.
        rivals: Names of other schemes that fit the values too, but put them into other regions;
            empty where the scheme was named.
    """

    file: Path
    scheme: LabelScheme
    rivals: tuple[str, ...] = ()


def find_coding(case: RawCase, of_run: LabelScheme) -> LabelCoding:
    """Check that the values of a case's label file fit the scheme of a run, and no other better.

    Three signs of another coding are refused: a value that the run's scheme does not have; values
    that are all those of another scheme, where the run's has more (0 to 3 where the run has 0 to
    4); and a value that borders on more healthy tissue than the run's edema, if it is edema in a
    scheme that fits. Around a glioma edema is outermost: in the 5 cases of BraTS 2013 and of the
    Decathlon that we checked, its border with healthy tissue was 3 to 48 times that of any other
    class.

    Args:
        case: With a label file.
        of_run: The scheme of the run's label files.

    Returns:
        The scheme of the run, and the other schemes that fit as well.

    Raises:
        DataError: The file seems to have another coding; the message names the schemes that fit.
    """
    if case.label_file is None:
        raise DataError(f"Expected a label file in case {case.id}, found none.")
    file = read_volume(case.label_file)
    values = label_values(file, case.id)
    present = {0, *values}
    fitting = [scheme for scheme in LABEL_SCHEMES.values() if present <= set(scheme.values)]
    rivals = [scheme for scheme in fitting if _differ(of_run, scheme, present)]
    reason = ""
    if not present <= set(of_run.values):
        reason = f"which '{of_run.name}', the coding of this run, does not have"
        rivals = fitting
    elif complete := [s.name for s in rivals if present == set(s.values) != set(of_run.values)]:
        reason = f"all those of {_or(complete)}, where '{of_run.name}' of this run has more"
    elif _outermost_says_otherwise(file.array, of_run, rivals):
        reason = (
            f"and what is edema in '{of_run.name}' of this run borders on less healthy tissue than "
            "what is edema in another one"
        )
    if not reason:
        rival_names = tuple(scheme.name for scheme in rivals)
        return LabelCoding(file=file.path, scheme=of_run, rivals=rival_names)
    names = [scheme.name for scheme in rivals]
    if present <= set(of_run.values):
        names.append(of_run.name)
    fix = (
        f"Name its coding with {OPTION}: {_or(names)}."
        if names
        else "No label scheme has them; leave the label file out, or convert its values."
    )
    listed = ", ".join(map(str, values))
    raise DataError(
        f"Case {case.id}: expected the label coding of this run, '{of_run.name}' "
        f"({of_run.summary}), got the values {listed} in {file.path.name}, {reason}. {fix}"
    )


def _differ(first: LabelScheme, second: LabelScheme, present: Collection[int]) -> bool:
    """Return whether two schemes put the present values into different regions of one name."""
    for name in first.regions.keys() & second.regions.keys():
        values = []
        for scheme in (first, second):
            region = {scheme.values[code] for code in scheme.regions[name]}
            values.append(region.intersection(present))
        if values[0] != values[1]:
            return True
    return False


def _outermost_says_otherwise(
    labels: NDArray[np.generic], of_run: LabelScheme, rivals: Collection[LabelScheme]
) -> bool:
    """Return whether a rival's edema borders on more healthy tissue than the run's edema."""
    edema = _edema(of_run)
    if edema is None or not (labels == edema).any():
        return False
    border = healthy_border(labels)
    others = [value for rival in rivals if (value := _edema(rival)) is not None]
    return any(border[value] > border[edema] for value in others)


def healthy_border(labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """Count the voxel faces between each value (256) and healthy tissue, which is 0.

    Example:
        >>> import numpy as np
        >>> healthy_border(np.array([[0, 2, 2, 1, 0]]))[:3].tolist()
        [0, 1, 1]
    """
    volume = labels.astype(np.uint8)
    border = np.zeros(256, dtype=np.int64)
    for axis in range(volume.ndim):
        along = np.moveaxis(volume, axis, 0)
        first, second = along[:-1], along[1:]
        border += np.bincount(first[(first != 0) & (second == 0)], minlength=256)
        border += np.bincount(second[(second != 0) & (first == 0)], minlength=256)
    return border


def _edema(scheme: LabelScheme) -> int | None:
    """Return the value of edema in label files; None where the scheme has no such class."""
    if EDEMA not in scheme.class_names:
        return None
    return scheme.values[scheme.class_names.index(EDEMA)]


def _or(names: Collection[str]) -> str:
    return " or ".join(names)
