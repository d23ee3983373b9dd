from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline

from equipoise.atomic import read_arrays
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.exceptions import EquipoiseError, LeakageError, SettingError
from equipoise.experiments.description import describe
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.protocols import Observer
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import FailedCellRecord, ImageCellRecord
from equipoise.runs.continuation import merge_descriptions
from equipoise.runs.description import StudyDescription
from equipoise.runs.run import open_run, requested_cells
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


class Diary(Observer):
    """Records every call."""

    def __init__(self) -> None:
        self.kept: list[Cell] = []
        self.left: list[Cell] = []
        self.ended_as: dict[Cell, str] = {}

    def started(self, kept: Any, left: Any) -> None:
        self.kept, self.left = list(kept), list(left)

    def ended(self, cell: Cell, record: Any) -> None:
        self.ended_as[cell] = "failed" if isinstance(record, FailedCellRecord) else "done"


def run(study: Study, folder: Path, **settings: Any) -> tuple[RunStore, Diary]:
    store, diary = RunStore(folder), Diary()
    run_study(study, store, executor=InProcess(), observer=diary, **settings)
    return store, diary


def trouble(fakes: Any, kind: str) -> Pipeline:
    return Pipeline([("classify", fakes.NearestMean(trouble=kind))])


def test_every_method_runs_once_before_any_runs_twice(make_study: MakeStudy) -> None:
    cells = list(make_study().cells())
    assert len(cells) == len(set(cells)) == 3 * 2 * 2
    assert [cell.method for cell in cells[:3]] == ["none", "fewer", "copies"]
    assert {cell.seed for cell in cells[:6]} == {0}


def test_a_method_may_have_the_first_splits_alone(make_study: MakeStudy) -> None:
    study = make_study(split_limits={"copies": 1})
    of_copies = [cell for cell in study.cells() if cell.method == "copies"]
    assert {cell.split for cell in of_copies} == {study.splits[0].name}
    assert len(list(study.cells())) == 2 * 2 * 2 + 2
    description = describe(study)
    assert set(requested_cells(description)) == set(study.cells())
    again = StudyDescription.from_json(description.to_json())
    assert again.split_limits == {"copies": 1}


def test_a_later_call_may_raise_or_lift_a_limit(make_study: MakeStudy, tmp_path: Path) -> None:
    limited = describe(make_study(split_limits={"copies": 1}))
    whole = describe(make_study())
    without = replace(whole, methods=tuple(m for m in whole.methods if m.name != "copies"))
    assert merge_descriptions(limited, whole, tmp_path).split_limits == {}
    assert merge_descriptions(limited, without, tmp_path).split_limits == {"copies": 1}
    more = replace(limited, split_limits={"copies": 2})
    assert merge_descriptions(limited, more, tmp_path).split_limits == {"copies": 2}


def test_arms_of_a_pair_share_their_seed_and_pairs_do_not(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    study = make_study()
    run(study, tmp_path)
    seeds: dict[tuple[str, int], set[int]] = {}
    for cell, fit in zip(study.cells(), fakes.NearestMean.fits, strict=True):
        seeds.setdefault((cell.split, cell.seed), set()).add(fit["seed"])
    assert all(len(used) == 1 for used in seeds.values())
    assert len(set.union(*seeds.values())) == 4


def test_resamplers_see_training_images_only_and_validation_is_real(
    make_study: MakeStudy, fakes: Any, toy: ImageDataset, tmp_path: Path
) -> None:
    study = make_study()
    run(study, tmp_path)
    cells = list(study.cells())
    of_copies = [cell for cell in cells if cell.method == "copies"]
    for cell, seen in zip(of_copies, fakes.NoisyCopies.seen, strict=True):
        assert np.array_equal(seen, toy.images[study.split(cell.split).train])
    for cell, fit in zip(cells, fakes.NearestMean.fits, strict=True):
        rows = study.split(cell.split).validation
        assert np.array_equal(fit["validation"][0], toy.images[rows])
        assert np.array_equal(fit["validation"][1], toy.labels[rows])


def test_a_cell_holds_everything_that_was_promised(
    make_study: MakeStudy, toy: ImageDataset, tmp_path: Path
) -> None:
    study = make_study()
    store, _ = run(study, tmp_path)
    cell = Cell("copies", "split-1", 1)
    split, record, stored = (
        study.split("split-1"),
        store.record(cell),
        read_arrays(store.cell_folder(cell) / "predictions.npz"),
    )
    for part in ("validation", "test"):
        rows = getattr(split, part)
        assert stored[f"{part}_ids"].tolist() == toy.ids[rows].tolist()
        assert np.array_equal(stored[f"{part}_true"], toy.labels[rows])
        assert np.array_equal(stored[f"{part}_groups"], toy.groups[rows])
        assert np.allclose(stored[f"{part}_score"].sum(axis=1), 1)
    before = np.bincount(toy.labels[split.train])
    assert isinstance(record, ImageCellRecord)
    assert record.counts_before == tuple(before.tolist())
    assert record.counts_after == (before.max(),) * 2
    assert record.peak_memory_mb > 10
    assert not record.resumed
    assert set(record.seconds) == {"resample", "train", "predict"}
    synthetic = np.load(store.cell_folder(cell) / "synthetic.npz")
    assert synthetic["images"].dtype == np.uint8
    assert set(synthetic["labels"].tolist()) == {1}
    assert len(synthetic["labels"]) == min(24, before.max() - before.min())
    history = (store.cell_folder(cell) / "history.csv").read_text().splitlines()
    assert history[:2] == ["stage,step,name,value", "balance/class-1,20,critic_loss,0.5"]
    assert history[2] == f"classify,1,accuracy,{1 / 3!r}"
    assert (store.cell_folder(cell) / "classifier" / "model.json").is_file()
    assert not (store.cell_folder(Cell("fewer", "split-1", 1)) / "synthetic.npz").exists()


def test_a_class_that_training_lost_gets_probability_zero(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    one = Pipeline([("balance", fakes.OnlyRare()), ("classify", fakes.NearestMean())])
    store, _ = run(make_study(methods={"one": one}), tmp_path)
    scores = read_arrays(store.cell_folder(Cell("one", "split-0", 0)) / "predictions.npz")[
        "test_score"
    ]
    assert np.array_equal(scores, np.tile([0.0, 1.0], (len(scores), 1)))


def test_one_failed_cell_does_not_stop_the_others(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    methods = {**make_study().methods, "bad": trouble(fakes, "no memory left")}
    store, diary = run(make_study(methods=methods), tmp_path)
    failed = [cell for cell, status in diary.ended_as.items() if status == "failed"]
    assert {cell.method for cell in failed} == {"bad"}
    assert len(diary.ended_as) == 16
    record = store.record(failed[0])
    assert isinstance(record, FailedCellRecord)
    assert record.error == "no memory left"
    assert record.error_type == "MemoryError"
    assert record.traceback is not None
    assert "Traceback" in record.traceback
    assert "study_fakes.py" in record.traceback


def test_failed_cells_are_tried_again_and_finished_ones_are_not(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    methods = {**make_study().methods, "bad": trouble(fakes, "no")}
    run(make_study(methods=methods), tmp_path)
    _, again = run(make_study(methods=methods), tmp_path)
    assert {cell.method for cell in again.left} == {"bad"}
    assert len(again.kept) == 12
    _, kept = run(make_study(methods=methods), tmp_path, retry_failed=False)
    assert kept.left == []


def test_an_interrupt_keeps_what_is_finished(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    methods = {"none": make_study().methods["none"], "halt": trouble(fakes, "stopped")}
    with pytest.raises(KeyboardInterrupt):
        run(make_study(methods=methods), tmp_path)
    store = RunStore(tmp_path)
    assert [cell for cell in open_run(store.folder).cells if store.has_finished(cell)] == [
        Cell("none", "split-0", 0)
    ]
    assert not store.has_failed(Cell("halt", "split-0", 0))
    assert not list(tmp_path.rglob(".seed-*"))


def test_baseline_is_none_where_there_is_one(make_study: MakeStudy) -> None:
    study = make_study()
    assert study.baseline_name == "none"
    others = {name: study.methods[name] for name in ("copies", "fewer")}
    assert make_study(methods=others).baseline_name == "copies"
    assert make_study(baseline="fewer").baseline_name == "fewer"
    assert study.positive == 1
    assert make_study(rare_class=0).positive == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"methods": {}}, "at least one method"),
        ({"methods": {"../up": None}}, "folders"),
        ({"methods": {"a": SMOTE()}}, "Pipeline"),
        ({"methods": {"a": Pipeline([("classify", SMOTE())])}}, "predict_proba"),
        ({"splits": ()}, "at least one split"),
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "different seeds"),
        ({"seeds": (-1,)}, "from 0"),
        ({"baseline": "non"}, "Did you mean 'none'"),
        ({"split_limits": {"copie": 1}}, "Did you mean 'copies'"),
        ({"split_limits": {"none": 1}}, "other than the baseline"),
        ({"split_limits": {"copies": 3}}, "from 1 to 2"),
    ],
)
def test_what_cannot_run_is_refused(
    make_study: MakeStudy, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        make_study(**fields)


def test_a_resampler_of_flat_arrays_is_refused(make_study: MakeStudy, fakes: Any) -> None:
    flat = Pipeline([("balance", SMOTE()), ("classify", fakes.NearestMean())])
    with pytest.raises(SettingError, match=r"\.base\.Resampler, got SMOTE"):
        make_study(methods={"smote": flat})


def test_names_that_differ_in_case_only_are_refused(make_study: MakeStudy) -> None:
    method = make_study().methods["none"]
    with pytest.raises(SettingError, match="case does not count"):
        make_study(methods={"none": method, "None": method})


def test_a_leaking_split_is_refused(make_study: MakeStudy) -> None:
    rows = np.arange(52, dtype=np.int64)
    with pytest.raises(LeakageError):
        make_study(splits=(Split(name="leaky", train=rows, validation=rows[:4], test=rows[4:8]),))


def test_repeated_ids_are_refused(make_study: MakeStudy, toy: ImageDataset) -> None:
    from dataclasses import replace

    with pytest.raises(EquipoiseError, match="different id"):
        make_study(dataset=replace(toy, ids=np.repeat("same", len(toy))))
