"""New images are scored by what the cells stored."""

import csv
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.phantoms.datasets import chest_films
from equipoise.data.splits import hold_out
from equipoise.deployment.classify import (
    Panel,
    check_table,
    choose_panel,
    score_images,
    write_predictions,
)
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.metrics.priors import correct_priors, fit_priors
from equipoise.runs.cell import Cell
from equipoise.runs.store import RunStore

DATASET = chest_films((24, 18), size=32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run of two methods on two splits, each trained for three steps; no test changes it."""
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
    return store


def of_split(store: RunStore, split: str) -> tuple[Panel, np.ndarray, dict[str, np.ndarray]]:
    """Give one cell as a panel, the rows of its test images in the data set, and what it stored of them."""
    cell = Cell("class_weights", split, 0)
    stored = store.predictions(cell)
    rows = np.array([DATASET.ids.tolist().index(name) for name in stored["test_ids"]])
    return Panel((cell,), ""), rows, stored


def test_one_classifier_repeats_its_stored_predictions(store: RunStore) -> None:
    panel, rows, stored = of_split(store, "split-1")
    np.testing.assert_allclose(
        score_images(store, panel, DATASET.images[rows]), stored["test_score"], atol=1e-6
    )


def test_several_are_averaged(store: RunStore) -> None:
    images = DATASET.images[:5]
    panel = choose_panel(store, method="class_weights")
    assert panel.cells == (Cell("class_weights", "split-0", 0), Cell("class_weights", "split-1", 0))
    single = [score_images(store, Panel((cell,), ""), images) for cell in panel.cells]
    assert not np.allclose(single[0], single[1])
    scores = score_images(store, panel, images)
    np.testing.assert_allclose(scores, (single[0] + single[1]) / 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_priors_are_corrected_by_the_validation_images_of_each_cell(store: RunStore) -> None:
    panel, rows, stored = of_split(store, "split-0")
    y_true, y_score = stored["validation_true"], stored["validation_score"]
    expected = correct_priors(
        stored["test_score"],
        trained=fit_priors(y_true=y_true, y_score=y_score),
        target=np.bincount(y_true),
    )
    found = score_images(store, panel, DATASET.images[rows], corrected=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not np.allclose(found, stored["test_score"], atol=1e-3)


def test_the_panel_is_the_best_method_or_the_one_asked_for(store: RunStore) -> None:
    panel = choose_panel(store)
    assert "of the 2 methods with finished cells" in panel.reason
    assert len(panel.cells) == 2
    assert choose_panel(store, method="none", split="split-1").cells == (
        Cell("none", "split-1", 0),
    )
    with pytest.raises(SettingError, match="Did you mean 'none'"):
        choose_panel(store, method="non")
    with pytest.raises(SettingError, match="split-7"):
        choose_panel(store, split="split-7")
    with pytest.raises(SettingError, match="'3'"):
        choose_panel(store, seed=3)


def test_images_of_another_kind_are_refused(store: RunStore) -> None:
    panel = choose_panel(store, method="none")
    for images in (DATASET.images[:2].astype(np.uint16), DATASET.images[:2, :, :16, :16]):
        with pytest.raises(DataError, match="like those of the training"):
            score_images(store, panel, images)


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
        with pytest.raises(SettingError, match="no table of predictions"):
            check_table(path)


def test_without_finished_cells_there_is_nothing_to_score_with(
    store: RunStore, tmp_path: Path
) -> None:
    (tmp_path / "study.json").write_bytes((store.folder / "study.json").read_bytes())
    with pytest.raises(DataError, match=r"No cell .* has finished"):
        choose_panel(RunStore(tmp_path))
    with pytest.raises(DataError, match=r"no study\.json"):
        choose_panel(RunStore(tmp_path / "nowhere"))
