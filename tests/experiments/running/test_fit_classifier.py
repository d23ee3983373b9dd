from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import clone

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import ImageCellRecord
from equipoise.runs.outcome import Outcome
from equipoise.training.checkpoint import Checkpoint


def quiet(_name: str, _step: int, _n_steps: int) -> None:
    """Ignore all progress."""


@pytest.mark.parametrize(("method", "n_synthetic"), [("none", 0), ("fewer", 0), ("copies", None)])
def test_the_classifier_is_told_which_images_are_synthetic(
    make_study: Callable[..., Study],
    fakes: Any,
    tmp_path: Path,
    method: str,
    n_synthetic: int | None,
) -> None:
    study = make_study()
    outcome = fit_cell(Cell(method, "split-0", 0), study, tmp_path, quiet)
    (fit,) = fakes.NearestMean.fits
    assert isinstance(outcome.record, ImageCellRecord)
    n_added = sum(outcome.record.counts_after) - sum(outcome.record.counts_before)
    n_new = n_added if n_synthetic is None else n_synthetic
    real = len(fit["X"]) - n_new
    np.testing.assert_array_equal(fit["synthetic"], np.arange(len(fit["X"])) >= real)
    assert (n_new > 0) == (method == "copies")


def test_what_filters_kept_is_recorded(
    make_study: Callable[..., Study], fakes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("copies", "split-0", 0)
    assert fit_cell(cell, make_study(), tmp_path, quiet).record.to_json()["curation"] == {}
    found = {1: {"sanity": (9, 7), "agreement": (7, 3)}}
    monkeypatch.setattr(fakes.NoisyCopies, "curation_", found, raising=False)
    monkeypatch.setattr(fakes.NoisyCopies, "filled_", {1: 2}, raising=False)
    assert fit_cell(cell, make_study(), tmp_path, quiet).record.to_json()["curation"] == {
        "1": {"filters": [["sanity", 9, 7], ["agreement", 7, 3]], "filled": 2}
    }


@pytest.fixture
def staged(toy: ImageDataset) -> Study:
    """A study of a classifier whose last layer is retrained."""
    classifier = ImageClassifier(
        n_steps=12,
        batch_size=8,
        second_stage="crt",
        second_stage_steps=12,
        device="cpu",
        augmentation="none",
    )
    methods = {"none": Pipeline([("classify", classifier)])}
    return Study(name="staged", dataset=toy, splits=hold_out(toy), methods=methods, seeds=(0,))


def fit_staged(study: Study, folder: Path) -> Outcome:
    return fit_cell(Cell("none", study.splits[0].name, 0), study, folder, quiet)


def test_both_stages_of_a_classifier_are_recorded(staged: Study, tmp_path: Path) -> None:
    outcome = fit_staged(staged, tmp_path)
    assert {(stage, step) for stage, step, name, _ in outcome.history if name == "loss"} == {
        *(("classify", step) for step in (10, 12)),
        *(("classify/head", step) for step in (10, 12)),
    }
    assert not outcome.record.resumed


def test_a_cell_that_goes_on_in_the_second_stage_is_resumed(
    staged: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_staged(staged, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "due", lambda self: self.path.name.endswith("-head.pt"))
        patch.setattr("equipoise.estimators.fit_request.FitRequest.finish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit_staged(staged, tmp_path / "killed")
    again = fit_staged(staged, tmp_path / "killed")
    assert again.record.resumed
    assert again.history == whole.history
    for name, values in whole.predictions.items():
        np.testing.assert_array_equal(again.predictions[name], values)


def test_the_scores_of_the_other_policy_stand_beside(toy: ImageDataset, tmp_path: Path) -> None:
    classifier = ImageClassifier(n_steps=6, batch_size=8, evaluate_every=2, device="cpu")
    methods = {
        "best": Pipeline([("classify", classifier)]),
        "last": Pipeline([("classify", clone(classifier).set_params(keep_best="averaged"))]),
        "crt": Pipeline([("classify", clone(classifier).set_params(second_stage="crt"))]),
    }
    study = Study(name="x", dataset=toy, splits=hold_out(toy), methods=methods, seeds=(0,))
    outcomes = {}
    for name in methods:
        cell = Cell(name, study.splits[0].name, 0)
        outcomes[name] = fit_cell(cell, study, tmp_path, quiet).predictions
    for part in ("test", "validation"):
        of_best, other_of_last = (
            outcomes[name][f"{part}_{array}"]
            for name, array in (("best", "score"), ("last", "score_other"))
        )
        np.testing.assert_array_equal(of_best, other_of_last)
        assert other_of_last.dtype == np.float64
        np.testing.assert_array_equal(
            outcomes["last"][f"{part}_score"], outcomes["best"][f"{part}_score_other"]
        )
        assert f"{part}_score_other" not in outcomes["crt"]


def test_a_classifier_of_another_library_has_one_policy(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    outcome = fit_cell(Cell("none", "split-0", 0), make_study(), tmp_path, quiet)
    assert not any("other" in name for name in outcome.predictions)
