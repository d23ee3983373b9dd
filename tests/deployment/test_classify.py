"""New images are scored by the stored classifiers of cells."""

import csv
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import read_arrays
from equipoise.csv_cells import read_lines
from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.deployment.classify import (
    Ensemble,
    check_table,
    choose_classifiers,
    move_to_own_thresholds,
    own_thresholds,
    score_images,
    scores_of_cells,
    write_predictions,
)
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import fit_decision
from equipoise.metrics.priors import correct_priors, fit_priors
from equipoise.runs.cell import Cell
from equipoise.runs.run import Run, open_run
from equipoise.runs.store import RunStore

DATASET = chest_films((24, 18), size=32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train two methods on two splits, for three steps each; no test changes the run."""
    methods = build_methods(["none", "class_weights"], Budget(n_steps=3, device="cpu"))
    study = Study(
        name="films",
        dataset=DATASET,
        splits=hold_out(DATASET, n_splits=2),
        methods=methods,
        seeds=(0,),
    )
    store = RunStore(tmp_path_factory.mktemp("prediction") / "run")
    run_study(study, store, executor=InProcess())
    return open_run(store.folder)


def of_split(run: Run, split: str) -> tuple[Ensemble, np.ndarray, dict[str, np.ndarray]]:
    """Return an ensemble of a cell, the rows of its test images, and its stored predictions."""
    cell = Cell("class_weights", split, 0)
    stored = read_arrays(run.path(cell) / "predictions.npz")
    rows = np.array([DATASET.ids.tolist().index(name) for name in stored["test_ids"]])
    return Ensemble((cell,), ""), rows, stored


def test_a_classifier_repeats_its_stored_predictions(run: Run) -> None:
    ensemble, rows, stored = of_split(run, "split-1")
    np.testing.assert_allclose(
        score_images(run, ensemble, DATASET.images[rows]), stored["test_score"], atol=1e-6
    )


def test_several_are_averaged(run: Run) -> None:
    images = DATASET.images[:5]
    ensemble = choose_classifiers(run, method="class_weights")
    assert ensemble.cells == (
        Cell("class_weights", "split-0", 0),
        Cell("class_weights", "split-1", 0),
    )
    single = [score_images(run, Ensemble((cell,), ""), images) for cell in ensemble.cells]
    assert not np.allclose(single[0], single[1])
    scores = score_images(run, ensemble, images)
    np.testing.assert_allclose(scores, (single[0] + single[1]) / 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_priors_are_corrected_by_the_validation_images_of_each_cell(run: Run) -> None:
    ensemble, rows, stored = of_split(run, "split-0")
    y_true, y_score = stored["validation_true"], stored["validation_score"]
    expected = correct_priors(
        stored["test_score"],
        trained=fit_priors(y_true=y_true, y_score=y_score),
        target=np.bincount(y_true),
    )
    corrected = score_images(run, ensemble, DATASET.images[rows], corrected=True)
    np.testing.assert_allclose(corrected, expected, atol=1e-5)
    assert not np.allclose(corrected, stored["test_score"], atol=1e-3)


def test_each_network_decides_at_its_own_threshold(run: Run) -> None:
    ensemble, rows, stored = of_split(run, "split-1")
    of_cells = scores_of_cells(run, ensemble, DATASET.images[rows])
    validation = Predictions(
        y_true=stored["validation_true"],
        y_score=stored["validation_score"],
        positive=run.description.rare_class,
    )
    decision = fit_decision(validation, METRICS["balanced_accuracy"])
    assert decision is not None
    calls = move_to_own_thresholds(run, of_cells).argmax(axis=1)
    assert own_thresholds(run, ensemble.cells) == [decision.threshold]
    assert calls.tolist() == decision.calls(stored["test_score"]).tolist()
    both = scores_of_cells(run, choose_classifiers(run, method="none"), DATASET.images[:6])
    moved = []
    for cell, scores in both.items():
        own = run.images.decisions[cell]
        assert own is not None
        moved.append(own.moved(scores))
    np.testing.assert_allclose(move_to_own_thresholds(run, both), (moved[0] + moved[1]) / 2)


@pytest.mark.parametrize(
    ("thresholds", "threshold"), [([0.2, 0.2], "0.200000"), ([0.2, 0.3], ""), ([], "")]
)
def test_calls_need_not_be_those_of_the_largest_probability(
    thresholds: list[float], threshold: str, tmp_path: Path
) -> None:
    scores, moved = np.array([[0.75, 0.25]]), np.array([[0.4, 0.6]])
    path = tmp_path / "predictions.csv"
    write_predictions(
        path, ["=a"], scores, ("well", "-ill"), corrected=False, moved=moved, thresholds=thresholds
    )
    with path.open() as table:
        (row,) = read_lines(table)
    assert (row["file"], row["predicted"], row["own_thresholds"]) == ("=a", "-ill", "1")
    assert (row["threshold"], row["probability of -ill"]) == (threshold, "0.250000")
    assert row["moved probability of -ill"] == "0.600000"
    assert path.read_text().splitlines()[1].startswith(f"'=a,'-ill,0,1,{threshold},0.750000,")


def test_the_ensemble_is_the_best_method_or_the_requested_one(run: Run) -> None:
    ensemble = choose_classifiers(run)
    assert "is the baseline" in ensemble.reason
    assert {cell.method for cell in ensemble.cells} == {"none"}
    assert len(ensemble.cells) == 2
    assert choose_classifiers(run, method="none", split="split-1").cells == (
        Cell("none", "split-1", 0),
    )
    with pytest.raises(SettingError, match="'none'"):
        choose_classifiers(run, method="non")
    with pytest.raises(SettingError, match="split-7"):
        choose_classifiers(run, split="split-7")
    with pytest.raises(SettingError, match="'3'"):
        choose_classifiers(run, seed=3)


def test_images_of_another_kind_are_refused(run: Run) -> None:
    ensemble = choose_classifiers(run, method="none")
    for images in (DATASET.images[:2].astype(np.uint16), DATASET.images[:2, :, :16, :16]):
        with pytest.raises(DataError, match="training"):
            score_images(run, ensemble, images)


def test_a_table_has_a_line_for_each_image(tmp_path: Path) -> None:
    scores = np.array([[0.25, 0.75], [0.6, 0.4]])
    path = tmp_path / "folder" / "predictions.csv"
    write_predictions(path, ["a.png", "b, c.png"], scores, ("well", "ill"), corrected=True)
    with path.open() as table:
        first, second = csv.DictReader(table)
    assert first == {
        "file": "a.png",
        "predicted": "ill",
        "prior_corrected": "1",
        "own_thresholds": "0",
        "threshold": "0.500000",
        "probability of well": "0.250000",
        "probability of ill": "0.750000",
    }
    assert (second["file"], second["predicted"]) == ("b, c.png", "well")


def test_only_an_earlier_table_is_replaced(tmp_path: Path) -> None:
    check_table(tmp_path / "predictions.csv")
    write_predictions(
        tmp_path / "predictions.csv", [], np.empty((0, 2)), ("well", "ill"), corrected=False
    )
    check_table(tmp_path / "predictions.csv")
    (tmp_path / "thesis.csv").write_text("three,years\n")
    for path in (tmp_path / "thesis.csv", tmp_path):
        with pytest.raises(SettingError, match="--out"):
            check_table(path)


def test_without_finished_cells_there_is_no_classifier(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_bytes((run.folder / "study.json").read_bytes())
    with pytest.raises(DataError, match="a finished cell"):
        choose_classifiers(open_run(tmp_path))
