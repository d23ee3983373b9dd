import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline

from equipoise.atomic import read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates
from equipoise.data.splits import hold_out
from equipoise.exceptions import DamagedFileError, DataError, SettingError, StaleRunError
from equipoise.experiments.description import describe
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.run import open_run
from equipoise.runs.store import MOST_CONFLICTS, RunStore

MakeStudy = Callable[..., Study]


def finished(study: Study, folder: Path) -> RunStore:
    store = RunStore(folder)
    run_study(study, store, executor=InProcess())
    return store


def contents(folder: Path) -> dict[str, bytes]:
    """Read everything that must be the same in two runs: not the records, which contain times."""
    timed = ("record.json", "checksums.json", ".lock")
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in timed)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_two_runs_leave_the_same_bytes(make_study: MakeStudy, tmp_path: Path) -> None:
    finished(make_study(), tmp_path / "a")
    finished(make_study(), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) > 3 * 12


def test_study_json_says_what_was_asked(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    finished(make_study(facts={"command": "equipoise run"}), tmp_path)
    stored = read_json(tmp_path / "study.json")
    assert [method["name"] for method in stored["methods"]] == ["none", "fewer", "copies"]
    balance, classify = stored["methods"][2]["steps"]
    assert balance == {
        "name": "balance",
        "class": "study_fakes.NoisyCopies",
        "settings": {"n_steps": 20},
    }
    assert classify["settings"] == {"n_steps": 10, "rate": 1.0, "trouble": ""}
    assert stored["dataset"]["fingerprint"] == toy.fingerprint
    assert stored["dataset"]["counts"] == [40, 12]
    assert stored["seeds"] == [0, 1]
    assert stored["splits"][1]["name"] == "split-1"
    assert sum(sum(counts) for counts in stored["splits"][0]["counts"].values()) == len(toy)
    assert stored["facts"] == {"command": "equipoise run"}
    assert {"equipoise", "torch", "numpy"} <= stored["versions"].keys()


def test_examples_are_real_training_images(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    study = make_study()
    store = RunStore(tmp_path)
    store.open(describe(study), dataset=study.dataset, splits=study.splits)
    with np.load(tmp_path / "examples.npz") as examples:
        row_of = {name: row for row, name in enumerate(toy.ids.tolist())}
        rows = [row_of[name] for name in examples["ids"].tolist()]
        assert set(rows) <= set(study.splits[0].train.tolist())
        assert np.array_equal(examples["images"], toy.images[rows])
        assert np.bincount(examples["labels"]).tolist() == [
            8,
            min(8, np.bincount(toy.labels[rows])[1]),
        ]


def test_methods_seeds_and_splits_may_be_added(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    study = make_study()
    splits = hold_out(toy, n_splits=3)
    first = {"copies": study.methods["copies"]}
    finished(make_study(methods=first, seeds=(1,)), tmp_path)
    before = (tmp_path / "cells/copies/split-0/seed-1/record.json").read_bytes()
    store = finished(make_study(seeds=(0,), splits=splits), tmp_path)
    stored = read_json(tmp_path / "study.json")
    assert [method["name"] for method in stored["methods"]] == ["copies", "none", "fewer"]
    assert stored["seeds"] == [0, 1]
    assert len(json.loads((tmp_path / "splits.json").read_text())["splits"]) == 3
    assert (tmp_path / "cells/copies/split-0/seed-1/record.json").read_bytes() == before
    cells = open_run(tmp_path).cells
    assert len(cells) == 3 * 3 * 2
    assert sum(store.has_finished(cell) for cell in cells) == 2 + 9


def test_other_settings_are_refused_with_the_differences(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    finished(make_study(), tmp_path)
    before = contents(tmp_path)
    classify = ("classify", fakes.NearestMean(rate=0.5))
    methods = {"none": Pipeline([classify])}
    with pytest.raises(
        StaleRunError,
        match=r"none.* classify.* rate: .*1\.0.* 0\.5",
    ):
        finished(make_study(methods=methods), tmp_path)
    assert contents(tmp_path) == before


def test_other_images_splits_or_versions_are_refused(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(make_study(), tmp_path)
    with pytest.raises(StaleRunError, match="dataset, fingerprint"):
        finished(make_study(dataset=replace(toy, images=255 - toy.pixels)), tmp_path)
    with pytest.raises(StaleRunError, match="split split-0, fingerprint"):
        finished(make_study(splits=hold_out(toy, n_splits=2, seed=5)), tmp_path)
    monkeypatch.setattr("equipoise.experiments.description.versions", lambda: {"torch": "1.0"})
    with pytest.raises(StaleRunError, match=r"versions, torch: stored .* requested '1.0'"):
        finished(make_study(), tmp_path)


def test_the_seed_of_a_step_is_no_setting(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    finished(make_study(), tmp_path)
    methods = {"none": Pipeline([("classify", fakes.NearestMean(random_state=99))])}
    finished(make_study(methods=methods), tmp_path)


def test_title_baseline_and_metric_may_change(make_study: MakeStudy, tmp_path: Path) -> None:
    finished(make_study(), tmp_path)
    finished(make_study(name="other", baseline="fewer", primary_metric="mcc"), tmp_path)
    stored = read_json(tmp_path / "study.json")
    assert (stored["name"], stored["baseline"], stored["primary_metric"]) == (
        "other",
        "fewer",
        "mcc",
    )


def test_left_overs_of_a_killed_process_are_removed(make_study: MakeStudy, tmp_path: Path) -> None:
    finished(make_study(), tmp_path)
    before = contents(tmp_path)
    (tmp_path / "cells/none/split-0/.seed-0.00c0ffee/classifier").mkdir(parents=True)
    (tmp_path / "cells/none/split-0/.seed-0.00c0ffee/classifier/.model.json.00000001").touch()
    (tmp_path / "workspace").mkdir(exist_ok=True)
    (tmp_path / "workspace/.gan.pt.0123abcd").touch()
    (tmp_path / ".report.html.0123abcd").touch()
    (tmp_path / ".nfs00000001").touch()  # of a file system, and no business of ours
    finished(make_study(), tmp_path)
    (tmp_path / ".nfs00000001").unlink()
    assert contents(tmp_path) == before


def test_only_one_process_writes(make_study: MakeStudy, tmp_path: Path) -> None:
    program = (
        "import sys; from equipoise.runs.store import RunStore\n"
        "with RunStore(sys.argv[1]).lock(): print('held', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SettingError, match="Another process writes into"):
            finished(make_study(), tmp_path)
        other.kill()
    finished(make_study(), tmp_path)  # the lock of a dead process is no lock


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study\.json"):
        RunStore(tmp_path).description()
    (tmp_path / "study.json").write_text("{broken")
    with pytest.raises(DamagedFileError, match=r"study\.json"):
        RunStore(tmp_path).description()


def test_a_failed_cell_is_replaced_whole(tmp_path: Path) -> None:
    store, cell = RunStore(tmp_path), Cell("none", "split-0", 0)
    assert not store.has_finished(cell)
    assert not store.has_failed(cell)
    failure = FailedCellRecord(
        cell=cell,
        steps=(),
        fingerprint="",
        versions={},
        machine={},
        threads=1,
        error="first",
        error_type="ValueError",
    )
    store.write_failure(failure)
    (store.cell_folder(cell) / "rest").touch()
    store.write_failure(replace(failure, error="second"))
    assert store.has_failed(cell)
    assert store.record(cell) == replace(failure, error="second")
    assert not (store.cell_folder(cell) / "rest").exists()
    (store.cell_folder(cell) / "checksums.json").unlink()  # as before there were any
    write_json(store.cell_folder(cell) / "record.json", {"status": "done"})
    assert store.has_finished(cell)


def test_duplicates_are_written_by_name(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    split = make_study().splits[0]
    a, b, c, d = (
        int(rows[i])
        for rows, i in ((split.train, 0), (split.test, 0), (split.train, 1), (split.validation, 0))
    )
    images = toy.pixels.copy()
    images[b], images[d] = images[a], images[c]
    dataset = replace(toy, images=images)
    study = make_study(dataset=dataset, duplicates=find_duplicates(dataset))
    run_study(study, tmp_path, executor=InProcess())
    stored = json.loads((tmp_path / "duplicates.json").read_text())
    pair = sorted([toy.ids[a], toy.ids[b]])
    assert pair in stored["exact"]
    assert pair in stored["crossing"]["split-0"]
    assert stored["crossing_validation"]["split-0"] == [sorted([toy.ids[c], toy.ids[d]])]


def test_copies_with_different_labels_are_stored_side_by_side(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    run_study(make_study(), tmp_path / "plain", executor=InProcess())
    assert open_run(tmp_path / "plain").conflicts is None
    a, b = (int(np.flatnonzero(toy.labels == label)[0]) for label in (0, 1))
    images = toy.pixels.copy()
    images[b] = images[a]
    dataset = replace(toy, images=images)
    study = make_study(dataset=dataset, duplicates=find_duplicates(dataset))
    run_study(study, tmp_path / "run", executor=InProcess())
    run = open_run(tmp_path / "run")
    assert run.duplicates is not None
    assert run.conflicts is not None
    n = len(run.duplicates.conflicting)
    assert n >= 1
    labels = run.conflicts.labels.reshape(-1, 2)
    assert len(labels) == min(n, MOST_CONFLICTS)
    assert (labels[:, 0] != labels[:, 1]).all()
