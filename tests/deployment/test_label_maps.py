"""Predicted maps are measured against label files of the same and of another scheme."""

from dataclasses import replace

import numpy as np
import pytest
from tests.deployment.conftest import SegmentedRun

from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.deployment.choose_segmenters import choose_segmenters
from equipoise.deployment.label_maps import measure_map, run_scheme, shared_regions
from equipoise.deployment.segment import segment_case
from equipoise.exceptions import DataError, SettingError
from equipoise.testing.volume_runs import SHAPE, write_case

CUBE = 3 * 5 * 3  # voxels of a class in the label file


def test_agreement_is_measured_on_the_regions_of_both_schemes(
    segmented: SegmentedRun, new_case: RawCase
) -> None:
    """Edema is 2 in brats2013 and 1 in the Decathlon, so that 'core' is another set of voxels."""
    codes = np.zeros(SHAPE[::-1], dtype=np.uint8)
    for i in range(3):
        codes[2:5, 6:11, 4 + 3 * i : 7 + 3 * i] = i + 1
    ensemble = choose_segmenters(segmented.run, method="one")
    prediction = segment_case(segmented.run, ensemble, new_case)
    prediction = replace(prediction, codes=codes)  # the label file except for its value 4
    measures = measure_map(prediction, new_case, LABEL_SCHEMES["brats2013"])
    assert {name: (m["tp"], m["fp"], m["fn"]) for name, m in measures.items()} == {
        "whole": (3 * CUBE, 0, CUBE),
        "core": (2 * CUBE, 0, CUBE),
        "active": (0, 0, CUBE),
    }
    three_classes = write_case(new_case.images["FLAIR"].parent / "x", 7, values=(1, 2, 3))
    case = replace(new_case, label_file=find_case(three_classes).label_file)
    measures = measure_map(prediction, case, LABEL_SCHEMES["msd_brain"])
    assert {name: (m["tp"], m["fp"], m["fn"]) for name, m in measures.items()} == {
        "whole": (3 * CUBE, 0, 0),
        "core": (CUBE, CUBE, CUBE),
        "active": (0, 0, CUBE),
    }
    with pytest.raises(DataError, match="brats2013"):
        measure_map(prediction, new_case, LABEL_SCHEMES["msd_brain"])
    unlabeled = replace(new_case, label_file=None)
    with pytest.raises(DataError, match="case new, found none"):
        measure_map(prediction, unlabeled, LABEL_SCHEMES["brats2013"])


def test_schemes_without_a_common_region_are_refused() -> None:
    with pytest.raises(SettingError, match="whole, got lesion"):
        shared_regions({"whole": (1,)}, {"lesion": (1,)})


def test_runs_of_merged_classes_have_no_label_values(segmented: SegmentedRun) -> None:
    dataset = segmented.run.description.volumes
    with pytest.raises(DataError, match="healthy, tumor"):
        run_scheme(replace(dataset, class_names=("healthy", "tumor")))
