"""The reference is fitted to training images alone, chosen on validation, and bounded in cost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_methods, small_run

from equipoise.atomic import read_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split, hold_out
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.kinds import reference as kind
from equipoise.evidence.kinds.reference import (
    PENALTIES,
    fit_reference,
    fit_regressions,
    gather,
    training_rows,
)
from equipoise.results.reference import read_reference


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    methods = {"none": small_methods()["none"]}
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((60, 36), size=16), methods)


@pytest.fixture
def fitted_on(run: FinishedRun) -> tuple[np.ndarray, ImageDataset, Split]:
    dataset = run.study.images
    (split,) = run.study.splits
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(dataset), 5)) + dataset.labels[:, None]
    return features, dataset, split


def test_it_is_the_regression_of_scikit_learn(
    fitted_on: tuple[np.ndarray, ImageDataset, Split],
) -> None:
    features, dataset, split = fitted_on
    fitted = fit_reference(features, dataset, split, positive=1)
    assert fitted.penalty in PENALTIES
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=fitted.penalty, class_weight="balanced")
    )
    model.fit(features[split.train], dataset.labels[split.train])
    expected = model.predict_proba(features[split.test])
    np.testing.assert_allclose(fitted.test, expected, atol=1e-3)
    assert fitted.n_train == len(split.train)


def test_every_strength_is_that_of_scikit_learn_with_three_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 2, 3], [30, 14, 9])
    features = rng.normal(size=(len(labels), 4)) + labels[:, None] * [1.0, 0.5, 0.0, 0.0]
    for penalty, regression in zip(PENALTIES, fit_regressions(features, labels), strict=True):
        model = LogisticRegression(C=penalty, class_weight="balanced", tol=1e-8, max_iter=1000)
        expected = model.fit(features, labels).predict_proba(features)
        scores = regression.scores(features, 4)
        np.testing.assert_allclose(scores[:, [0, 2, 3]], expected, atol=1e-3)
        assert not scores[:, 1].any()


def test_test_images_and_their_labels_change_no_score_of_others(
    fitted_on: tuple[np.ndarray, ImageDataset, Split],
) -> None:
    features, dataset, split = fitted_on
    changed, labels = features.copy(), dataset.labels.copy()
    changed[split.test] += 100.0
    labels[split.test] = 1 - labels[split.test]
    before = fit_reference(features, dataset, split, positive=1)
    after = fit_reference(changed, replace(dataset, labels=labels), split, positive=1)
    assert np.array_equal(before.validation, after.validation)
    assert before.penalty == after.penalty


def test_training_rows_are_bounded_within_classes(
    monkeypatch: pytest.MonkeyPatch, run: FinishedRun
) -> None:
    monkeypatch.setattr(kind, "MOST_TRAINED", 20)
    dataset = run.study.images
    (split,) = run.study.splits
    rows = training_rows(dataset.labels, split, 2)
    assert np.bincount(dataset.labels[rows]).tolist() == [10, 10]
    assert set(rows) <= set(split.train)
    assert np.array_equal(rows, training_rows(dataset.labels, split, 2))


def test_a_class_without_validation_images_is_no_obstacle() -> None:
    dataset = toy_dataset((40, 20), size=16)
    (split,) = hold_out(dataset, n_splits=1)
    common = split.validation[dataset.labels[split.validation] == 0]
    only_common = replace(split, validation=common)
    features = np.random.default_rng(0).normal(size=(len(dataset), 3))
    assert fit_reference(features, dataset, only_common, positive=1).penalty == PENALTIES[0]


def test_it_is_gathered_without_names_and_read_back(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "evidence" / "reference"
    folder.mkdir(parents=True)
    gather(run, folder)
    stored = read_reference(tmp_path)
    assert stored is not None
    assert stored.features == ("statistics",)
    assert [row.method for row in stored.gains] == ["none"]
    assert "equipoise weights fetch mobilenet_v2" in stored.notes[0]
    (split,) = run.study.splits
    with np.load(folder / f"statistics-{split.name}.npz") as arrays:
        assert set(arrays.files) == {"validation_score", "test_score"}
        assert arrays["test_score"].shape == (len(split.test), 2)
    fits = read_json(folder / "reference.json")["fits"]
    assert [fit["n_train"] for fit in fits] == [len(split.train)]
    for file in folder.glob("*.csv"):
        assert not any(name in file.read_text() for name in run.study.images.ids.tolist())
