"""Synthetic images are audited against their own split, and the most similar pairs are kept."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_methods, small_run

from equipoise.atomic import read_json
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.kinds import memorization
from equipoise.evidence.kinds.memorization import SHOWN, draw_rows, gather
from equipoise.runs.cell import Cell


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((40, 24), size=16))


def test_every_cell_with_synthetic_images_is_audited(run: FinishedRun, tmp_path: Path) -> None:
    gather(run, tmp_path)
    (audit,) = read_json(tmp_path / "audits.json")
    (cell,) = run.generated
    assert (audit["method"], audit["split"], audit["seed"]) == (cell.method, cell.split, cell.seed)
    images, labels = run.synthetic(cell)
    split = run.study.split(cell.split)
    assert audit["overall"]["n_synthetic"] == len(images)
    of_class = run.study.dataset.labels == labels[0]  # SMOTE fills up one class
    assert audit["overall"]["n_train"] == np.count_nonzero(of_class[split.train])
    held_out = np.concatenate([split.validation, split.test])
    assert audit["overall"]["n_held_out"] == np.count_nonzero(of_class[held_out])
    assert audit["extractor"] == "random"
    assert set(audit["privacy"]) == {"status", "reasons", "runs"}


def test_the_pairs_kept_as_images_are_those_of_the_audit(run: FinishedRun, tmp_path: Path) -> None:
    gather(run, tmp_path)
    (audit,) = read_json(tmp_path / "audits.json")
    with np.load(tmp_path / "pairs.npz", allow_pickle=False) as arrays:
        pairs = {name: arrays[name] for name in arrays.files}
    (cell,) = run.generated
    images, _ = run.synthetic(cell)
    train = run.part(cell, "train")
    assert 0 < len(pairs["real"]) <= SHOWN
    for i, pair in enumerate(audit["pairs"][:SHOWN]):
        assert np.array_equal(pairs["synthetic"][i], images[pair["synthetic"]])
        assert np.array_equal(pairs["real"][i], train.images[pair["train"]])
        assert pairs["likeness"][i] == pair["likeness"]
    assert (np.diff(pairs["likeness"]) <= 0).all()
    assert set(pairs["method"].tolist()) == {cell.method}


def test_of_many_images_some_are_audited_and_the_report_says_so(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memorization, "MOST_AUDITED", 3)
    gather(run, tmp_path)
    (audit,) = read_json(tmp_path / "audits.json")
    images, _ = run.synthetic(run.generated[0])
    assert audit["overall"]["n_synthetic"] == 3 < len(images)
    [note] = [note for note in audit["notes"] if note.startswith("Audited 3 of ")]
    assert f"of {len(images)} synthetic images" in note
    with np.load(tmp_path / "pairs.npz", allow_pickle=False) as pairs:
        for pair, shown in zip(audit["pairs"], pairs["synthetic"], strict=True):
            np.testing.assert_array_equal(images[pair["synthetic"]], shown)


def test_drawn_rows_keep_the_shares_of_classes() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 1])
    rows = draw_rows(labels, 30, Cell("gan", "split-0", 0))
    assert np.bincount(labels[rows]).tolist() == [19, 9, 1]
    assert (np.diff(rows) > 0).all()
    assert draw_rows(labels, 91, Cell("gan", "split-0", 0)).tolist() == list(range(91))


def test_a_run_without_synthetic_images_has_no_audit(tmp_path: Path) -> None:
    methods = {"none": small_methods(2)["none"]}
    run = small_run(tmp_path / "run", toy_dataset((24, 16)), methods)
    gather(run, tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()
