"""Run folders that were copied in part, renamed or edited: refused by name, or made again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import read_json, write_json
from equipoise.checksums import FOLDER_FILE
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.exceptions import DamagedFileError, DataError, StaleRunError
from equipoise.experiments.description import describe
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.known_images import known_images_note
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.runs.stored_splits import load_described_splits, read_split_ids

MakeStudy = Callable[..., Study]
CELL = "cells/none/split-0/seed-0"


@pytest.fixture
def store(make_study: MakeStudy, tmp_path: Path) -> RunStore:
    return run_study(make_study(), tmp_path / "run", executor=InProcess())


def without_checksum(path: Path) -> Path:
    """Remove the checksums of a file or folder, as in runs of earlier versions."""
    if path.is_dir():
        (path / FOLDER_FILE).unlink()
    else:
        path.with_name(f"{path.name}.sha256").unlink()
    return path


def test_all_damage_is_named_at_once(store: RunStore, make_study: MakeStudy) -> None:
    damaged = [
        "seconds.json",
        "cells/none/split-0/seed-0/record.json",
        "cells/none/split-1/seed-0/predictions.npz",
        "cells/copies/split-0/seed-1/synthetic.npz",
    ]
    write_json(store.folder / "seconds.json", {}, checksum=True)
    for name in damaged[:3]:
        (store.folder / name).write_bytes(b"?")
    (store.folder / damaged[3]).unlink()
    with pytest.raises(DamagedFileError) as caught:
        store.check(describe(make_study()))
    assert [name for name in damaged if name not in str(caught.value)] == []


def test_a_damaged_description_hides_no_other_damage(
    store: RunStore, make_study: MakeStudy
) -> None:
    for name in ("study.json", f"{CELL}/history.csv"):
        (store.folder / name).write_bytes(b"?")
    with pytest.raises(DamagedFileError, match=r"(?s)study\.json.*history\.csv"):
        store.check(describe(make_study()))


@pytest.mark.parametrize("with_checksums", [True, False])
def test_a_renamed_cell_is_refused(
    store: RunStore, make_study: MakeStudy, with_checksums: bool
) -> None:
    cell = store.folder / CELL
    if not with_checksums:
        without_checksum(cell)
    shutil.rmtree(cell.with_name("seed-1"))
    shutil.copytree(cell, cell.with_name("seed-1"))
    for read in (lambda: store.check(describe(make_study())), lambda: open_run(store.folder)):
        with pytest.raises(DamagedFileError, match=r"seed-1.*another cell"):
            read()


@pytest.mark.parametrize("name", [["none"], {"none": 1}, 3])
def test_a_record_whose_names_are_no_text_is_refused(store: RunStore, name: object) -> None:
    cell = store.folder / CELL
    without_checksum(cell)
    record = read_json(cell / "record.json")
    write_json(cell / "record.json", {**record, "method": name})
    with pytest.raises(DamagedFileError, match=r"record\.json"):
        open_run(store.folder)


@pytest.mark.parametrize("with_checksums", [True, False])
def test_a_cell_copied_in_part_is_refused(
    store: RunStore, make_study: MakeStudy, with_checksums: bool
) -> None:
    cell = store.folder / CELL
    if not with_checksums:
        without_checksum(cell)
    (cell / "predictions.npz").unlink()
    for read in (lambda: store.check(describe(make_study())), lambda: open_run(store.folder)):
        with pytest.raises(DamagedFileError, match=r"predictions\.npz.*missing"):
            read()


def test_what_a_copy_lacks_is_made_again(store: RunStore, make_study: MakeStudy) -> None:
    before = (store.folder / CELL / "predictions.npz").read_bytes()
    for name in ("splits.json", "pixels.json", "examples.npz"):
        (store.folder / name).unlink()
        without_checksum(store.folder / name)
    shutil.rmtree(store.folder / CELL)
    with pytest.raises(DamagedFileError, match=r"splits\.json.*missing"):
        read_split_ids(store.folder)
    store.check(describe(make_study()))
    run_study(make_study(), store, executor=InProcess())
    assert (store.folder / CELL / "predictions.npz").read_bytes() == before
    assert len(read_split_ids(store.folder)) == 2


def test_files_of_others_change_nothing(store: RunStore, make_study: MakeStudy) -> None:
    (store.folder / "notes.txt").touch()
    (store.folder / "cells/none/split-0/.DS_Store").touch()
    (store.folder / CELL / ".DS_Store").touch()
    (store.folder / "cells/none/split-0/old").mkdir()
    store.check(describe(make_study()))
    assert open_run(store.folder).n_missing == 0


def test_rewritten_splits_are_refused(
    store: RunStore, make_study: MakeStudy, toy: ImageDataset
) -> None:
    path = store.folder / "splits.json"
    described = store.description().splits
    rewritten = json.loads(path.read_text())
    first = rewritten["splits"][0]
    first["train"].append(first["test"].pop())
    path.write_text(json.dumps(rewritten))
    with pytest.raises(DamagedFileError, match=r"splits\.json"):  # by its checksum
        read_split_ids(store.folder)
    without_checksum(path)
    with pytest.raises(DamagedFileError, match="split-0"):
        known_images_note(store.folder, toy.images[:1], ["a"], [])
    first["test"].append(first["train"].pop(0))  # as many as before
    path.write_text(json.dumps(rewritten))
    with pytest.raises(DataError):
        load_described_splits(store.folder, toy, described)
    more = hold_out(toy, n_splits=3)[2:]
    with pytest.raises(DataError, match="split-0"):
        run_study(make_study(splits=more), store, executor=InProcess())
    run_study(make_study(), store, executor=InProcess())  # which requests both
    assert load_described_splits(store.folder, toy, described)[0].name == "split-0"


def test_the_description_of_another_run_is_no_way_in(
    store: RunStore, make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    other = make_study(dataset=replace(toy, images=255 - toy.pixels))
    (tmp_path / "other").mkdir()
    others = run_study(other, tmp_path / "other", executor=InProcess())
    shutil.copyfile(others.description_path, store.description_path)
    with pytest.raises(DamagedFileError, match=r"study\.json"):
        store.check(describe(make_study()))
    name = "study.json.sha256"
    shutil.copyfile(others.folder / name, store.folder / name)
    with pytest.raises(StaleRunError, match="dataset, fingerprint"):
        store.check(describe(make_study()))
    with pytest.raises(StaleRunError, match=r"got 12 of other images.*seed-0.* and \d+ more"):
        run_study(other, store, executor=InProcess())


def test_a_folder_in_place_of_a_file_is_named(store: RunStore, make_study: MakeStudy) -> None:
    path = store.folder / CELL / "predictions.npz"
    path.unlink()
    path.mkdir()
    with pytest.raises(DamagedFileError, match=r"predictions\.npz"):
        store.check(describe(make_study()))
    assert np.array_equal(read_json(store.folder / "study.json")["seeds"], [0, 1])


def test_what_a_killed_worker_was_writing_hinders_nothing(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "run")
    run_study(make_study(), store, executor=InProcess())
    cell = next(iter(make_study().cells()))
    folder = store.cell_folder(cell)
    shutil.copytree(folder, folder.with_name(f".{folder.name}.20807e36"))
    store.check(describe(make_study()))
    run_study(make_study(), store, executor=InProcess())
    assert not list(folder.parent.glob(".*"))
