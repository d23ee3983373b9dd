"""Networks of the best method are chosen; for a case of the run, those that never saw it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.deployment.conftest import SegmentedRun

from equipoise.atomic import read_arrays, read_json, write_json
from equipoise.data.reading import read_volumes
from equipoise.data.volumes.file import read_volume
from equipoise.data.volumes.options import RawCase, VolumeOptions
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.deployment.choose_segmenters import choose_segmenters, leave_out_trained
from equipoise.exceptions import DataError, SettingError
from equipoise.runs.cell import Cell
from equipoise.runs.known_cases import describe_cases, known_as
from equipoise.runs.run import open_run
from equipoise.testing.volume_readers import write_image
from equipoise.testing.volume_runs import write_case


def test_the_best_method_is_chosen_unless_another_is_named(segmented: SegmentedRun) -> None:
    run = segmented.run
    ensemble = choose_segmenters(run)
    assert "best mean Dice of the 2" in ensemble.reason
    assert "on 2 test cases" in ensemble.reason
    assert len(ensemble.cells) == 2
    named = choose_segmenters(run, method="one", split=ensemble.cells[0].split, seed=0)
    assert named.cells == (Cell("one", ensemble.cells[0].split, 0),)
    with pytest.raises(SettingError, match="'cascade'"):
        choose_segmenters(run, method="cascad")
    with pytest.raises(SettingError, match="'fold-9'"):
        choose_segmenters(run, split="fold-9")


def test_a_case_is_known_by_its_images_or_its_name(segmented: SegmentedRun, tmp_path: Path) -> None:
    options = VolumeOptions(labels="brats2013", modalities=("FLAIR", "T1c"), cache=tmp_path)
    description = describe_cases(read_volumes(segmented.cases, options).dataset)
    images = description["images"]
    assert set(images.values()) == {"a", "b", "c"}
    assert len(images) == 12  # bytes and voxels of each
    assert description["n4"] is False
    shutil.copytree(segmented.cases / "b", tmp_path / "renamed")
    renamed = find_case(tmp_path / "renamed")
    assert known_as(renamed, images, set()) == "b"
    part = replace(renamed, images={"T1c": renamed.images["T1c"]}, label_file=None)
    assert known_as(part, images, set()) == "b"
    converted = tmp_path / "d" / "flair.mha"
    converted.parent.mkdir()
    write_image(converted, read_volume(renamed.images["FLAIR"]).array.astype("float64"))
    assert known_as(find_case(converted.parent), images, set()) == "b"
    same_name = find_case(write_case(tmp_path / "site" / "c", 9))
    assert known_as(same_name, images, {"site/c"}) == "site/c"
    assert known_as(same_name, images, {"c"}) == "c"
    assert known_as(find_case(write_case(tmp_path / "e", 9)), images, {"a", "b"}) is None


def test_the_last_folder_is_no_name_of_a_patient(tmp_path: Path) -> None:
    """In BIDS folders that of all patients is called alike."""
    names = {f"sub-{i:02d}/ses-01/anat" for i in range(4)}
    for patient, known in (("sub-77", None), ("sub-03", "sub-03/ses-01/anat")):
        folder = write_case(tmp_path / patient / "ses-01" / "anat", 9)
        case = find_case(folder)
        assert known_as(case, {}, names) == known
        assert known_as(replace(case, id=f"{patient}/ses-01/anat"), {}, names) == known


def test_a_case_that_every_network_has_seen_is_refused(segmented: SegmentedRun) -> None:
    run = segmented.run
    with pytest.raises(SettingError, match=r"Case c: .* no split"):
        leave_out_trained(run, choose_segmenters(run), segmented.case("c"))
    cell = Cell("one", run.cells[0].split, 0)
    tested = read_arrays(run.path(cell) / "predictions.npz")["test_ids"]
    trained_on = "a" if "b" in tested else "b"
    ensemble = choose_segmenters(run, method="one", split=cell.split)
    with pytest.raises(SettingError, match=rf"Case {trained_on}: .* fold"):
        leave_out_trained(run, ensemble, segmented.case(trained_on))


def test_a_new_case_keeps_all_networks(segmented: SegmentedRun, new_case: RawCase) -> None:
    ensemble = choose_segmenters(segmented.run)
    selected, sentence = leave_out_trained(segmented.run, ensemble, new_case)
    assert selected == ensemble
    assert "none of the cases" in sentence


def test_without_finished_cells_there_is_no_network(
    segmented: SegmentedRun, tmp_path: Path
) -> None:
    write_json(tmp_path / "study.json", read_json(segmented.run.folder / "study.json"))
    with pytest.raises(DataError, match="a finished cell"):
        choose_segmenters(open_run(tmp_path))
