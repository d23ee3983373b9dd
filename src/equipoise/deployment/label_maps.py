"""Predicted label maps: sizes of their classes, and agreement with a label file of any scheme."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.file import read_volume
from equipoise.data.volumes.geometry import Geometry
from equipoise.data.volumes.labels import LabelScheme, encode, find_scheme
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.segmentation import measure_case
from equipoise.runs.description import VolumeDatasetDescription

Regions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelMap:
    """A predicted label map in the whole volume of a case.

    Attributes:
        codes: (z, y, x) uint8 classes of the run, 0 outside the brain.
        scheme: Names of the classes, and their values in label files.
        geometry: That of the images of the case.
        reference: One of these images, over which the map lies.
    """

    codes: NDArray[np.uint8]
    scheme: LabelScheme
    geometry: Geometry
    reference: Path | None = None

    @property
    def values(self) -> NDArray[np.uint8]:
        """(z, y, x) values for a label file."""
        return np.array(self.scheme.values, dtype=np.uint8)[self.codes]

    @property
    def cm3(self) -> dict[str, float]:
        """Volume of each class but healthy tissue, in cubic centimeters."""
        counts = np.bincount(self.codes.ravel(), minlength=len(self.scheme.values))
        voxel_cm3 = float(np.prod(self.geometry.spacing_mm)) / 1000
        volumes = {}
        for code, name in enumerate(self.scheme.class_names):
            if code:
                volumes[name] = float(counts[code] * voxel_cm3)
        return volumes


def measure_map(
    prediction: LabelMap, case: RawCase, truth_scheme: LabelScheme
) -> dict[str, dict[str, float]]:
    """Measure a predicted map against the label file of its case, on the regions of both schemes.

    Returns:
        See `equipoise.metrics.segmentation.measure_case`.

    Raises:
        DataError: The label file does not fit the images, or has other values than its scheme.
        SettingError: The schemes share no region.
    """
    if case.label_file is None:
        raise DataError(f"Expected a label file in case {case.id}, found none.")
    file = read_volume(case.label_file)
    difference = prediction.geometry.difference(file.geometry)
    if difference:
        raise DataError(
            f"Case {case.id}: {file.path.name} does not lie on the grid of the images: "
            f"{difference}."
        )
    regions, truth_regions = shared_regions(prediction.scheme.regions, truth_scheme.regions)
    return measure_case(
        truth=encode(file, truth_scheme, case.id),
        prediction=prediction.codes,
        regions=regions,
        truth_regions=truth_regions,
        spacing_mm=file.spacing_mm,
    )


def shared_regions(of_run: Regions, of_labels: Regions) -> tuple[Regions, Regions]:
    """Select the regions that two schemes both name.

    Raises:
        SettingError: There is none.

    Example:
        >>> shared_regions({"whole": (1, 2), "core": (1,)}, {"whole": (1, 2, 4)})
        ({'whole': (1, 2)}, {'whole': (1, 2, 4)})
    """
    shared = {}
    truth = {}
    for name in of_run:
        if name in of_labels:
            shared[name] = of_run[name]
            truth[name] = of_labels[name]
    if not shared:
        raise SettingError(
            f"Expected label files with regions of the run, {', '.join(of_run)}, "
            f"got {', '.join(of_labels)}. Choose another label scheme."
        )
    return shared, truth


def run_scheme(dataset: VolumeDatasetDescription) -> LabelScheme:
    """Return the label scheme of a run.

    Raises:
        DataError: The run was on unions of its classes, which have no value in label files.
    """
    scheme = find_scheme(dataset.scheme, dataset.values)
    if scheme.class_names != dataset.class_names:
        raise DataError(
            f"Expected a run on the classes {', '.join(scheme.class_names)} of its label files, "
            f"got {', '.join(dataset.class_names)}, which have no values there."
        )
    return scheme
