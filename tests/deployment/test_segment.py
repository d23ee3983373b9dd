"""New cases are segmented by the averaged networks of a run."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.deployment.conftest import SegmentedRun

from equipoise.atomic import read_arrays
from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.data.volumes.options import RawCase
from equipoise.deployment import segment
from equipoise.deployment.choose_segmenters import choose_segmenters, leave_out_trained
from equipoise.deployment.classify import Ensemble
from equipoise.deployment.segment import load_segmenter, segment_case
from equipoise.exceptions import DataError
from equipoise.runs.cell import Cell
from equipoise.runs.containment import check_links
from equipoise.testing.volume_runs import SHAPE

BRAIN = np.s_[1:6, 3:17, 2:19]  # the brain that `write_case` draws, (z, y, x)


def test_a_test_case_gets_the_stored_map_of_its_own_fold(segmented: SegmentedRun) -> None:
    """Through files, crop and label values and back: the map that the study stored.

    A cascade's stored map depends on its theta, which argmax alone would ignore.
    """
    run = segmented.run
    for cell in run.cells:
        stored = read_arrays(run.path(cell) / "predictions.npz")
        name = str(stored["test_ids"][0])
        case = segmented.case(name)
        ensemble = choose_segmenters(run, method=cell.method)
        unseen, sentence = leave_out_trained(run, ensemble, case)
        assert unseen.cells == (cell,)
        assert f"It is {name} of this run" in sentence
        codes = segment_case(run, unseen, case).codes
        np.testing.assert_array_equal(codes[BRAIN], stored["map_0"])
        outside = codes.copy()
        outside[BRAIN] = 0
        assert not outside.any()
        assert codes.shape == SHAPE[::-1]


def test_networks_are_averaged_and_the_largest_mean_wins(
    segmented: SegmentedRun, new_case: RawCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two networks lean to class 1, one is certain of class 2: the mean decides, no majority."""
    probabilities = iter([(0.4, 0.5, 0.1), (0.4, 0.5, 0.1), (0.0, 0.05, 0.95)])

    def fake_segmenter(_run: Any, _cell: Cell) -> Any:
        inside = np.array([*next(probabilities), 0.0, 0.0], dtype=np.float32)

        def predict(_images: Any, mask: Any) -> Any:
            background = np.eye(5)[0]
            shape = (5, 1, 1, 1)
            return np.where(mask, inside.reshape(shape), background.reshape(shape))

        return SimpleNamespace(probabilities=predict)

    monkeypatch.setattr(segment, "load_segmenter", fake_segmenter)
    prediction = segment_case(segmented.run, Ensemble((Cell("one", "x", 0),) * 3, ""), new_case)
    brain = np.zeros(SHAPE[::-1], dtype=bool)
    brain[BRAIN] = True
    np.testing.assert_array_equal(prediction.codes, np.where(brain, 2, 0))
    voxel_cm3 = 1.5 * 1.5 * 3 / 1000
    assert prediction.cm3 == pytest.approx(
        {"necrosis": 0, "edema": brain.sum() * voxel_cm3, "non-enhancing": 0, "enhancing": 0}
    )


def test_label_values_are_those_of_the_scheme(segmented: SegmentedRun, new_case: RawCase) -> None:
    run = segmented.run
    prediction = segment_case(run, choose_segmenters(run, method="one"), new_case)
    codes = np.array([[[0, 1, 2, 3]]], dtype=np.uint8)
    sparse = replace(prediction, scheme=LABEL_SCHEMES["brats2017"], codes=codes)
    assert sparse.values.tolist() == [[[0, 1, 2, 4]]]


def test_the_label_file_changes_nothing(segmented: SegmentedRun, new_case: RawCase) -> None:
    ensemble = choose_segmenters(segmented.run, method="one")
    labeled = segment_case(segmented.run, ensemble, new_case)
    unlabeled = segment_case(segmented.run, ensemble, replace(new_case, label_file=None))
    np.testing.assert_array_equal(labeled.codes, unlabeled.codes)


def test_a_missing_modality_is_named(segmented: SegmentedRun, new_case: RawCase) -> None:
    poor = replace(new_case, images={"FLAIR": new_case.images["FLAIR"]})
    with pytest.raises(DataError, match=r"new .*FLAIR, T1c.*got FLAIR.*t1c\.nii"):
        segment_case(segmented.run, choose_segmenters(segmented.run), poor)


def test_missing_networks_and_links_out_of_the_run_are_named(
    segmented: SegmentedRun, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"one.fold-7.seed-0"):
        load_segmenter(segmented.run, Cell("one", "fold-7", 0))
    cell = segmented.run.cells[0]
    moved = replace(segmented.run, folder=tmp_path / "run")
    moved.path(cell).mkdir(parents=True)
    (moved.path(cell) / "segmenter").symlink_to(segmented.run.path(cell) / "segmenter")
    with pytest.raises(DataError, match="segmenter -> "):
        check_links(moved.folder)
