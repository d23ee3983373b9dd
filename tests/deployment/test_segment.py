"""New cases are segmented by the networks that a run kept, and its own only by those that never saw them."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import read_json, write_json
from equipoise.data.reading import read_volumes
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.data.volumes.options import RawCase, VolumeOptions
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.deployment import segment as prediction
from equipoise.deployment.classify import Panel
from equipoise.deployment.external_cases import OutsideRow, measure_outside, write_outside
from equipoise.deployment.label_maps import measure_map, run_scheme, shared_regions
from equipoise.deployment.panels import choose_segmenters, leave_out_trained
from equipoise.deployment.segment import load_segmenter, segment_case
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import read_rows
from equipoise.runs.known_cases import describe_cases, known_as
from equipoise.runs.store import RunStore
from equipoise.testing.volume_runs import SHAPE, finished_run, write_case


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, Path]:
    """A run of three patients and its case folders; no test changes it."""
    return finished_run(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture
def new(tmp_path: Path) -> RawCase:
    """A case that the run has never seen."""
    return find_case(write_case(tmp_path / "new", 7))


def panel_of(method: str, split: str = "fold") -> Panel:
    return Panel((Cell(method, split, 0),), "")


def test_a_test_case_gets_the_stored_map_of_its_own_fold(run: tuple[RunStore, Path]) -> None:
    """Through files, crop and label values and back: the map that the study stored.

    A cascade's stored map comes of its theta, which argmax alone would pass over.
    """
    store, cases = run
    tested = {str(store.predictions(cell)["test_ids"][0]): cell.split for cell in store.cells()}
    for method in ("one", "cascade"):
        for name, split in tested.items():
            case = find_case(cases / name)
            panel, said = leave_out_trained(store, choose_segmenters(store, method=method), case)
            assert panel.cells == (Cell(method, split, 0),)
            assert f"It is {name} of this run" in said
            found = segment_case(store, panel, case)
            stored = store.predictions(panel.cells[0])["map_0"]
            box = np.s_[1:6, 3:17, 2:19]  # the brain that `write_case` draws, (z, y, x)
            np.testing.assert_array_equal(found.codes[box], stored)
            outside = found.codes.copy()
            outside[box] = 0
            assert not outside.any()
            assert found.codes.shape == SHAPE[::-1]


def test_networks_are_averaged_and_the_largest_mean_wins(
    run: tuple[RunStore, Path], new: RawCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three networks are lukewarm about class 1, one is sure of class 2: the mean decides, not the votes."""
    chances = iter([(0.4, 0.5, 0.1), (0.4, 0.5, 0.1), (0.0, 0.05, 0.95)])

    def fake(_store: RunStore, _cell: Cell) -> Any:
        own = np.array([*next(chances), 0.0, 0.0], dtype=np.float32)
        return SimpleNamespace(
            probabilities=lambda _images, mask: np.where(
                mask, own[:, None, None, None], np.eye(5)[0][:, None, None, None]
            )
        )

    monkeypatch.setattr(prediction, "load_segmenter", fake)
    found = segment_case(run[0], Panel((Cell("one", "x", 0),) * 3, ""), new)
    brain = np.zeros(SHAPE[::-1], dtype=bool)
    brain[1:6, 3:17, 2:19] = True
    np.testing.assert_array_equal(found.codes, np.where(brain, 2, 0))
    voxel_cm3 = 1.5 * 1.5 * 3 / 1000
    assert found.cm3 == pytest.approx(
        {"necrosis": 0, "edema": brain.sum() * voxel_cm3, "non-enhancing": 0, "enhancing": 0}
    )


def test_label_values_are_those_of_the_run(run: tuple[RunStore, Path], new: RawCase) -> None:
    found = segment_case(run[0], choose_segmenters(run[0], method="one"), new)
    sparse = replace(
        found, scheme=LABEL_SCHEMES["brats2017"], codes=np.array([[[0, 1, 2, 3]]], dtype=np.uint8)
    )
    assert sparse.values.tolist() == [[[0, 1, 2, 4]]]


def test_the_label_file_changes_nothing(run: tuple[RunStore, Path], new: RawCase) -> None:
    panel = choose_segmenters(run[0], method="one")
    unlabeled = replace(new, label_file=None)
    np.testing.assert_array_equal(
        segment_case(run[0], panel, new).codes, segment_case(run[0], panel, unlabeled).codes
    )


def test_the_best_method_is_chosen_unless_one_is_named(run: tuple[RunStore, Path]) -> None:
    store = run[0]
    panel = choose_segmenters(store)
    assert "best mean Dice of the 2 methods with finished cells" in panel.reason
    assert "on 2 test cases" in panel.reason
    assert len(panel.cells) == 2
    named = choose_segmenters(store, method="one", split=panel.cells[0].split, seed=0)
    assert named.cells == (Cell("one", panel.cells[0].split, 0),)
    with pytest.raises(SettingError, match="Did you mean 'cascade'"):
        choose_segmenters(store, method="cascad")
    with pytest.raises(SettingError, match="'fold-9'"):
        choose_segmenters(store, split="fold-9")


def test_a_case_is_known_by_its_images_or_its_name(
    run: tuple[RunStore, Path], tmp_path: Path
) -> None:
    store, cases = run
    dataset = read_volumes(
        cases, VolumeOptions(labels="brats2013", modalities=("FLAIR", "T1c"), cache=tmp_path)
    ).dataset
    asked = store.study() | {"dataset": describe_cases(dataset)}
    assert set(asked["dataset"]["images"].values()) == {"a", "b", "c"}
    assert len(asked["dataset"]["images"]) == 6
    assert asked["dataset"]["n4"] is False
    shutil.copytree(cases / "b", tmp_path / "renamed")
    renamed = find_case(tmp_path / "renamed")
    assert known_as(renamed, asked, set()) == "b"
    part = replace(renamed, images={"T1c": renamed.images["T1c"]}, label_file=None)
    assert known_as(part, asked, set()) == "b"
    same_name = find_case(write_case(tmp_path / "c", 9))
    assert known_as(same_name, asked, {"site/c"}) == "site/c"
    assert known_as(find_case(write_case(tmp_path / "d", 9)), asked, {"a", "b", "c"}) is None


def test_a_case_that_every_network_has_seen_is_refused(run: tuple[RunStore, Path]) -> None:
    store, cases = run
    case, split = find_case(cases / "c"), store.cells()[0].split
    with pytest.raises(SettingError, match=r"Case c is c of this run.* no split that tests it"):
        leave_out_trained(store, choose_segmenters(store), case)
    other = next(
        name for name in "ab" if name not in store.predictions(Cell("one", split, 0))["test_ids"]
    )
    with pytest.raises(SettingError, match="Its networks without it are those of fold"):
        leave_out_trained(
            store, choose_segmenters(store, method="one", split=split), find_case(cases / other)
        )


def test_a_new_case_keeps_all_networks(run: tuple[RunStore, Path], new: RawCase) -> None:
    panel = choose_segmenters(run[0])
    assert leave_out_trained(run[0], panel, new) == (panel, "It is none of the cases of this run.")


def test_a_missing_modality_is_named(run: tuple[RunStore, Path], new: RawCase) -> None:
    poor = replace(new, images={"FLAIR": new.images["FLAIR"]})
    with pytest.raises(DataError, match=r"Case new has no T1c.*it has FLAIR"):
        segment_case(run[0], choose_segmenters(run[0]), poor)


def test_networks_that_are_gone_or_lie_elsewhere_are_named(
    run: tuple[RunStore, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="found none"):
        load_segmenter(run[0], Cell("one", "fold-7", 0))
    cell = run[0].cells()[0]
    store = RunStore(tmp_path / "run")
    store.path(cell).mkdir(parents=True)
    (store.path(cell) / "segmenter").symlink_to(run[0].path(cell) / "segmenter")
    with pytest.raises(DataError, match="it lies elsewhere"):
        load_segmenter(store, cell)


def test_agreement_is_measured_on_what_both_schemes_name(
    run: tuple[RunStore, Path], new: RawCase
) -> None:
    """Of the same label file: edema is 2 in brats2013 and 1 in the Decathlon, so that 'core' is another set."""
    truth = np.zeros(SHAPE[::-1], dtype=np.uint8)
    for i in range(3):
        truth[2:5, 6:11, 4 + 3 * i : 7 + 3 * i] = i + 1
    found = segment_case(run[0], choose_segmenters(run[0], method="one"), new)
    found = replace(found, codes=truth)  # the label file but for its value 4
    own = measure_map(found, new, LABEL_SCHEMES["brats2013"])
    cube = 3 * 5 * 3
    assert {name: (m["tp"], m["fp"], m["fn"]) for name, m in own.items()} == {
        "whole": (3 * cube, 0, cube),
        "core": (2 * cube, 0, cube),
        "active": (0, 0, cube),
    }
    three = replace(
        new,
        label_file=find_case(
            write_case(new.images["FLAIR"].parent / "x", 7, values=(1, 2, 3))
        ).label_file,
    )
    msd = measure_map(found, three, LABEL_SCHEMES["msd_brain"])
    assert {name: (m["tp"], m["fp"], m["fn"]) for name, m in msd.items()} == {
        "whole": (3 * cube, 0, 0),
        "core": (cube, cube, cube),
        "active": (0, 0, cube),
    }
    with pytest.raises(DataError, match="fit all its values: brats2013"):
        measure_map(found, new, LABEL_SCHEMES["msd_brain"])
    with pytest.raises(DataError, match="found none"):
        measure_map(found, replace(new, label_file=None), LABEL_SCHEMES["brats2013"])
    with pytest.raises(SettingError, match="got lesion"):
        shared_regions({"whole": (1,)}, {"lesion": (1,)})


def test_runs_of_merged_classes_have_no_label_values() -> None:
    asked = {"scheme": "brats2013", "values": [0, 1, 2, 3, 4], "class_names": ["healthy", "tumor"]}
    with pytest.raises(DataError, match="healthy, tumor"):
        run_scheme(asked)


def test_every_network_segments_the_cases_of_another_data_set(
    run: tuple[RunStore, Path], tmp_path: Path
) -> None:
    store = run[0]
    write_case(tmp_path / "far" / "p", 8, values=(1, 2, 3))
    options = VolumeOptions(
        labels="msd_brain", modalities=("FLAIR", "T1c"), cache=tmp_path / "cache"
    )
    dataset = read_volumes(tmp_path / "far", options).dataset
    rows = measure_outside(store, dataset)
    assert [(row.method, row.split) for row in rows[::3]] == [
        (c.method, c.split) for c in sorted_cells(store)
    ]
    assert [row.region for row in rows[:3]] == ["whole", "core", "active"]
    arrays = dataset.arrays(0)
    drawn = load_segmenter(store, Cell(rows[0].method, rows[0].split, 0)).predict(
        arrays.images, arrays.mask
    )
    for row, ours, theirs in zip(
        rows[:3], ((1, 2, 3, 4), (1, 3, 4), (4,)), ((1, 2, 3), (2, 3), (3,)), strict=True
    ):
        a, b = np.isin(drawn, ours), np.isin(arrays.codes, theirs)
        assert row.dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert row.sensitivity == pytest.approx((a & b).sum() / b.sum())
    write_outside(rows, tmp_path / "outside.csv")
    again = read_rows(tmp_path / "outside.csv", OutsideRow)
    assert [row.dice for row in again] == pytest.approx([row.dice for row in rows], abs=1e-6)


def sorted_cells(store: RunStore) -> list[Cell]:
    """Cells in the order of `study.json`: method by method."""
    return sorted(store.cells(), key=lambda cell: ["one", "cascade"].index(cell.method))


def test_outside_cases_are_of_other_patients_with_the_same_modalities(
    run: tuple[RunStore, Path], tmp_path: Path
) -> None:
    store, cases = run

    def read(modalities: tuple[str, ...]) -> VolumeDataset:
        options = VolumeOptions(labels="brats2013", modalities=modalities, cache=tmp_path / "cache")
        return read_volumes(cases, options).dataset

    with pytest.raises(DataError, match=r"\['FLAIR', 'T1c'\] of the run"):
        measure_outside(store, read(("T1c", "FLAIR")))
    with pytest.raises(LeakageError, match="got a, b, c"):
        measure_outside(store, read(("FLAIR", "T1c")))


def test_without_finished_cells_there_is_no_network(
    run: tuple[RunStore, Path], tmp_path: Path
) -> None:
    write_json(tmp_path / "study.json", read_json(run[0].folder / "study.json"))
    with pytest.raises(DataError, match=r"No cell .* has finished"):
        choose_segmenters(RunStore(tmp_path))
