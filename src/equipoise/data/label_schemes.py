"""What the numbers in label files stand for, and the regions that doctors judge by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        return ", ".join(f"{value} {name}" for value, name in zip(self.values, self.class_names, strict=True))


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


def plain(values: Sequence[int]) -> LabelScheme:
    """Make a scheme from the numbers found in label files: every class but the first is a region of its own.

    Raises:
        DataError: Fewer than two values, or the same one twice.
    """
    values = tuple(int(value) for value in values)
    if len(values) < 2 or len(set(values)) < len(values):
        raise DataError(f"Expected at least two different label values, got {list(values)}. Check the label files.")
    names = ("healthy", *(f"label {value}" for value in values[1:]))
    regions = {name: (code,) for code, name in enumerate(names) if code}
    return LabelScheme(name="plain", values=values, class_names=names, regions=regions, source="the label files")
