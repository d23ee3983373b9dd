from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.exceptions import DamagedFileError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running import fit_classifier
from equipoise.experiments.running.available_memory import copies_within
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.running.train_cell import StudyTask
from equipoise.experiments.study import Study
from equipoise.image_rows import MOST_COPIED, ImageRows, copies_up_to, most_copied
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore

CELL = Cell("copies", "split-0", 0)


def ignore(_name: str, _step: int, _n_steps: int) -> None:
    pass


def test_a_cell_that_was_trained_away_is_stored_as_one_trained_here(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = make_study()
    here = StudyTask(study, RunStore(tmp_path / "here"))
    there = StudyTask(study, RunStore(tmp_path / "there"))
    here.train(CELL, ignore)
    package = there.train_away(CELL, ignore)
    assert not there.store.has_finished(CELL)
    there.accept(CELL, package)
    for name in ("predictions.npz", "synthetic.npz", "classifier/model.json"):
        of_cell = [task.store.cell_folder(CELL) / name for task in (here, there)]
        assert of_cell[0].read_bytes() == of_cell[1].read_bytes()
    position = package.index(b"predictions.npz") + 60
    damaged = package[:position] + bytes([package[position] ^ 1]) + package[position + 1 :]
    with pytest.raises(DamagedFileError):
        there.accept(CELL, damaged)
    assert there.store.has_finished(CELL)


def test_a_portable_task_opens_elsewhere_with_or_without_its_images(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    task = StudyTask(make_study(), RunStore(tmp_path / "run"))
    carried = task.with_images()
    assert carried.n_bytes == task.study.images.images.nbytes
    opened = carried.at(tmp_path / "elsewhere").open()
    assert opened.workspace == tmp_path / "elsewhere" / "workspace"
    assert not task.workspace.exists()
    by_file = task.portable()
    assert by_file.n_bytes == 0
    np.testing.assert_array_equal(by_file.open().study.images.images, task.study.images.images)


def test_max_memory_bounds_what_cells_copy_here_and_in_workers(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = build_methods(["oversampling"], Budget(n_steps=1, device="cpu"))
    study = Study(
        name="toy", dataset=toy, splits=hold_out(toy, n_splits=1), methods=methods, seeds=(0,)
    )
    (cell,) = study.cells()
    little = 640  # bytes, of which 10 may be copied: less than an image
    trained_on: list[type] = []
    fit = fit_classifier.resample_and_fit

    def spying(pipeline: Pipeline, train: ImageDataset, *further: Any) -> ImageDataset:
        trained_on.append(type(train.images))
        return fit(pipeline, train, *further)

    monkeypatch.setattr(fit_classifier, "resample_and_fit", spying)
    store = run_study(study, tmp_path / "here", executor=InProcess(max_memory=little))
    assert store.has_finished(cell)
    assert set(trained_on) == {ImageRows}
    trained_on.clear()
    with copies_within(little):
        portable = StudyTask(study, RunStore(tmp_path / "there")).portable()
    with copies_up_to(MOST_COPIED):  # the limit of the worker ends with the block
        portable.open().train(cell, ignore)
    assert trained_on == [ImageRows]
    assert most_copied() == MOST_COPIED
    StudyTask(study, RunStore(tmp_path / "unbounded")).train(cell, ignore)
    assert trained_on == [ImageRows, np.ndarray]


def test_cells_with_one_generator_on_one_split_share_its_fit(
    toy: ImageDataset, tmp_path: Path
) -> None:
    methods = build_methods(["none", "oversampling", "dcgan", "dcgan_curated"], Budget(n_steps=3))
    study = Study(
        name="toy", dataset=toy, splits=hold_out(toy, n_splits=2), methods=methods, seeds=(0, 1)
    )
    task = StudyTask(study, RunStore(tmp_path))
    assert not task.shared_fits(Cell("none", "split-0", 0))
    assert not task.shared_fits(Cell("oversampling", "split-0", 0))
    plain = task.shared_fits(Cell("dcgan", "split-0", 0))
    assert plain & task.shared_fits(Cell("dcgan_curated", "split-0", 0))
    for other in (Cell("dcgan", "split-1", 0), Cell("dcgan", "split-0", 1)):
        assert not plain & task.shared_fits(other)
    slower = build_methods(["none", "dcgan"], Budget(n_steps=3, gan_steps=9))
    other_steps = StudyTask(replace(study, methods=slower), task.store)
    assert not plain & other_steps.shared_fits(Cell("dcgan", "split-0", 0))


def test_a_full_disk_ends_the_run_and_fails_no_cell(
    make_study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = StudyTask(make_study(), RunStore(tmp_path / "run"))

    def write(_cell: Cell, _outcome: object) -> None:
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(task.store, "write", write)
    with pytest.raises(OSError, match=r"No space.*run"):
        task.train(CELL, ignore)
    assert not task.store.has_failed(CELL)
