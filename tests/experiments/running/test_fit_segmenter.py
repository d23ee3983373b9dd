import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline

from equipoise.exceptions import SettingError, StaleRunError
from equipoise.experiments.running.executors import InProcess, Processes
from equipoise.experiments.running.fit_segmenter import segment_cell
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.metrics.segmentation import dice
from equipoise.resampling.random import RandomUndersampler
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import VolumeCellRecord
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


def quiet(_name: str, _step: int, _n_steps: int) -> None:
    """Ignore all progress."""


def test_a_cell_learns_from_its_training_patients_only(
    make_volume_study: MakeStudy, volume_fakes: Any
) -> None:
    study = make_volume_study()
    outcome = segment_cell(Cell("random", "fold-0", 0), study, Path("unused"), quiet)
    (seen,) = volume_fakes.NearestMeanSegmenter.seen
    split, ids = study.split("fold-0"), study.volumes.ids
    assert seen == (ids[split.train].tolist(), ids[split.validation].tolist())
    assert outcome.predictions["test_ids"].tolist() == ids[split.test].tolist()
    assert isinstance(outcome.record, VolumeCellRecord)
    assert outcome.record.tau == 0.25
    assert outcome.record.notes == ("A note.",)
    assert outcome.history == [("segment", 1, "loss", 0.5)]


def test_what_is_stored_can_be_measured_again(make_volume_study: MakeStudy, tmp_path: Path) -> None:
    """A metric is a function of stored files: the label maps reproduce measures.csv."""
    study, store = make_volume_study(seeds=(0,)), RunStore(tmp_path / "run")
    run_study(study, store, executor=InProcess())
    cell = next(study.cells())
    with np.load(store.cell_folder(cell) / "predictions.npz", allow_pickle=False) as stored:
        predicted, case = stored["map_0"] == 2, str(stored["test_ids"][0])
    truth = study.volumes.arrays(study.volumes.ids.tolist().index(case)).codes == 2
    with (store.cell_folder(cell) / "measures.csv").open() as file:
        rows = {(row["case"], row["region"]): row for row in csv.DictReader(file)}
    row = rows[case, "label 2"]
    assert (int(float(row["tp"])), int(float(row["fn"]))) == (
        (predicted & truth).sum(),
        (truth & ~predicted).sum(),
    )
    assert float(dice(float(row["tp"]), float(row["fp"]), float(row["fn"]))) > 0.5
    lines = (store.cell_folder(cell) / "frequencies.csv").read_text().splitlines()
    assert lines[0] == "stage,class,asked,centers,pixels"
    assert lines[1] == ",healthy,0.333333,0.333333,"


@pytest.mark.slow  # two processes import torch
def test_processes_and_this_process_store_the_same(
    make_volume_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_volume_study(seeds=(0,))
    run_study(study, RunStore(tmp_path / "one"), executor=InProcess())
    run_study(study, RunStore(tmp_path / "two"), executor=Processes(2))
    for cell in study.cells():
        files = [RunStore(tmp_path / name).cell_folder(cell) for name in ("one", "two")]
        for file in ("predictions.npz", "measures.csv", "frequencies.csv", "history.csv"):
            assert (files[0] / file).read_bytes() == (files[1] / file).read_bytes()


def test_a_failed_cell_is_kept_and_the_others_go_on(
    make_volume_study: MakeStudy, volume_fakes: Any, tmp_path: Path
) -> None:
    broken = Pipeline([("segment", volume_fakes.NearestMeanSegmenter(fail=True))])
    study = make_volume_study(seeds=(0,))
    study = make_volume_study(seeds=(0,), methods={**study.methods, "broken": broken})
    store = RunStore(tmp_path / "run")
    run_study(study, store, executor=InProcess())
    assert [store.has_finished(cell) for cell in study.cells() if cell.method != "broken"] == [
        True
    ] * 6
    assert all(store.has_failed(cell) for cell in study.cells() if cell.method == "broken")


def test_other_settings_are_refused_in_the_same_folder(
    make_volume_study: MakeStudy, volume_fakes: Any, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "run")
    run_study(make_volume_study(seeds=(0,)), store, executor=InProcess())
    other = {"random": Pipeline([("segment", volume_fakes.NearestMeanSegmenter(shift=0.1))])}
    with pytest.raises(StaleRunError, match=r"shift: stored 0\.0, requested 0\.1"):
        run_study(make_volume_study(methods=other), store, executor=InProcess())


def test_methods_for_volumes_are_one_segmenter(
    make_volume_study: MakeStudy, volume_fakes: Any
) -> None:
    segment = ("segment", volume_fakes.NearestMeanSegmenter())
    with pytest.raises(SettingError, match=r"left out.* one segmenter"):
        make_volume_study(
            methods={"random": Pipeline([("balance", RandomUndersampler()), segment])}
        )
    with pytest.raises(SettingError, match="such as Segmenter"):
        make_volume_study(methods={"random": Pipeline([("balance", RandomUndersampler())])})
    with pytest.raises(SettingError, match="metric named 'balanced_accuracy'"):
        make_volume_study(primary_metric="balanced_accuracy")


def test_a_study_knows_what_it_is_about(make_volume_study: MakeStudy) -> None:
    study = make_volume_study()
    assert study.task == "segmentation"
    with pytest.raises(SettingError, match=r"images, got .*volumes"):
        _ = study.images
