"""A run's synthetic images are audited against their own split, and what is shown of them is kept."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_methods, small_run

from equipoise.atomic import read_json
from equipoise.evidence.finished_run import Judged
from equipoise.evidence.kinds.memorization import SHOWN, gather


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((40, 24), size=16))


def test_every_cell_with_synthetic_images_is_audited(run: Judged, tmp_path: Path) -> None:
    gather(run, tmp_path)
    (found,) = read_json(tmp_path / "audits.json")
    (cell,) = run.generated
    assert (found["method"], found["split"], found["seed"]) == (cell.method, cell.split, cell.seed)
    images, labels = run.synthetic(cell)
    split = run.study.split(cell.split)
    assert found["overall"]["n_synthetic"] == len(images)
    of_class = run.study.dataset.labels == labels[0]  # SMOTE fills up one class
    assert found["overall"]["n_train"] == np.count_nonzero(of_class[split.train])
    held_out = np.concatenate([split.validation, split.test])
    assert found["overall"]["n_held_out"] == np.count_nonzero(of_class[held_out])
    assert found["extractor"] == "random"


def test_the_pairs_that_are_shown_are_those_of_the_audit(run: Judged, tmp_path: Path) -> None:
    gather(run, tmp_path)
    (found,) = read_json(tmp_path / "audits.json")
    with np.load(tmp_path / "pairs.npz", allow_pickle=False) as arrays:
        pairs = {name: arrays[name] for name in arrays.files}
    (cell,) = run.generated
    images, _ = run.synthetic(cell)
    train = run.part(cell, "train")
    assert 0 < len(pairs["real"]) <= SHOWN
    for i, pair in enumerate(found["pairs"][:SHOWN]):
        assert np.array_equal(pairs["synthetic"][i], images[pair["synthetic"]])
        assert np.array_equal(pairs["real"][i], train.images[pair["train"]])
        assert pairs["likeness"][i] == pair["likeness"]
    assert (np.diff(pairs["likeness"]) <= 0).all()
    assert set(pairs["method"].tolist()) == {cell.method}


def test_a_run_without_synthetic_images_leaves_nothing(tmp_path: Path) -> None:
    methods = {"none": small_methods(2)["none"]}
    gather(
        small_run(tmp_path / "run", toy_dataset((24, 16)), methods), folder := tmp_path / "found"
    )
    assert not folder.exists()
