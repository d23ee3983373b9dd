"""A predicted label map: its sizes, and how far it agrees with a label file, whatever its scheme."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.file import read_volume
from equipoise.data.volumes.geometry import Geometry
from equipoise.data.volumes.labels import LabelScheme, encode, find_scheme
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.segmentation import measure_case

Regions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelMap:
    """A predicted label map in the whole volume of a case.

    Attributes:
        codes: (z, y, x) uint8 classes of the run, 0 outside the brain.
        scheme: What they are called, and the numbers that label files have for them.
        geometry: That of the case's images.
    """

    codes: NDArray[np.uint8]
    scheme: LabelScheme
    geometry: Geometry

    @property
    def values(self) -> NDArray[np.uint8]:
        """(z, y, x) the numbers for a label file."""
        return np.array(self.scheme.values, dtype=np.uint8)[self.codes]

    @property
    def cm3(self) -> dict[str, float]:
        """Volume of each class but healthy tissue."""
        counts = np.bincount(self.codes.ravel(), minlength=len(self.scheme.values))
        voxel = float(np.prod(self.geometry.spacing_mm)) / 1000
        return {
            name: float(counts[i] * voxel) for i, name in enumerate(self.scheme.class_names) if i
        }


def measure_map(
    found: LabelMap, case: RawCase, truth_scheme: LabelScheme
) -> dict[str, dict[str, float]]:
    """Compare a predicted map with the label file of its case, on the regions that both schemes name.

    Returns:
        See `equipoise.metrics.segmentation.measure_case`.

    Raises:
        DataError: The label file does not fit the images, or has other values than its scheme.
        SettingError: The schemes share no region.
    """
    if case.label_file is None:
        raise DataError(f"Expected a label file in case {case.id}, found none.")
    file = read_volume(case.label_file)
    if difference := found.geometry.difference(file.geometry):
        raise DataError(
            f"Case {case.id}: {file.path.name} does not lie on the grid of the images: {difference}."
        )
    ours, theirs = shared_regions(found.scheme.regions, truth_scheme.regions)
    return measure_case(
        truth=encode(file, truth_scheme, case.id),
        prediction=found.codes,
        regions=ours,
        truth_regions=theirs,
        spacing_mm=file.spacing_mm,
    )


def shared_regions(ours: Regions, theirs: Regions) -> tuple[Regions, Regions]:
    """Keep the regions that two schemes name.

    Raises:
        SettingError: There is none.
    """
    both = [name for name in ours if name in theirs]
    if not both:
        raise SettingError(
            f"Expected label files with regions of the run, {', '.join(ours)}, got {', '.join(theirs)}. Name "
            "another label scheme."
        )
    return {name: ours[name] for name in both}, {name: theirs[name] for name in both}


def run_scheme(asked: Mapping[str, Any]) -> LabelScheme:
    """Give the label scheme of a run.

    Args:
        asked: "dataset" of `study.json`.

    Raises:
        DataError: The run was about unions of its classes, for which label files have no numbers.
    """
    scheme = find_scheme(asked["scheme"], asked["values"])
    if list(scheme.class_names) != asked["class_names"]:
        raise DataError(
            f"Expected a run about the classes {', '.join(scheme.class_names)} of its label files, got one about "
            f"{', '.join(asked['class_names'])}, which have no numbers there."
        )
    return scheme
