"""Every method of the catalogue in the regime `frozen`, with an untrained network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.exceptions import SettingError
from equipoise.experiments.methods import generative
from equipoise.experiments.methods.catalogue import (
    METHODS,
    WITHIN_BUDGET,
    build_methods,
    named,
)
from equipoise.experiments.methods.regimes import NOT_FROZEN, REGIMES
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.running.preparation import prepare_study
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.run import open_run
from equipoise.training import collapse

BUDGET = Budget(
    regime="frozen",
    pretrained="random",
    gan_steps=6,
    gan_batch_size=12,
    gan_channels=8,
    device="cpu",
)
GENERATIVE = [method.name for method in (*generative.METHODS, *generative.CURATED)]
QUICK = {"dcgan_curated", "cdcgan_mix", "cdcgan_crt"}  # else at `make slow`
SUITABLE = named("all", BUDGET)


@pytest.fixture(autouse=True)
def _patience_with_beginners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 0.0)


def make_study(*names: str, n_splits: int = 1) -> Study:
    """Noise whose brightness predicts the class, but not perfectly; one image per patient."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [40, 26, 30]).astype(np.int64)
    noise = rng.normal(60, 30, size=(len(labels), 1, 28, 28))
    brightness = 40 * labels + rng.normal(0, 30, size=len(labels))
    dataset = ImageDataset(
        images=np.clip(noise + brightness[:, None, None, None], 0, 255).astype(np.uint8),
        labels=labels,
        class_names=("class 0", "class 1", "class 2"),
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array([f"image-{i:04d}" for i in range(len(labels))]),
    )
    return Study(
        name="one",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=n_splits),
        methods=build_methods(names, BUDGET),
        seeds=[0],
    )


def test_methods_that_make_no_sense_are_left_out_and_refused_with_the_reason() -> None:
    unsuitable = set(WITHIN_BUDGET) - set(SUITABLE)
    assert unsuitable == {"mixup", "remix", "vae_pretraining", "vae_transfer"}
    assert named("all") == WITHIN_BUDGET
    for name in unsuitable:
        with pytest.raises(SettingError, match=f"{name}.*(pixels|weights)"):
            build_methods([name], BUDGET)
    assert set(NOT_FROZEN) == {"mixing", "pretraining"}


def test_tau_normalization_of_cosines_is_left_out() -> None:
    cosines = replace(BUDGET, head="cosine")
    assert set(SUITABLE) - set(named("all", cosines)) == {"tau_norm"}


@pytest.mark.parametrize(
    ("setting", "value", "option"),
    [
        ("network", "small_cnn+mobilenet_v2", "--network"),
        ("views", 2, "--views"),
        ("head", "mlp", "--head"),
    ],
)
def test_what_only_frozen_features_have_is_refused_elsewhere(
    setting: str, value: Any, option: str
) -> None:
    for regime in ("scratch", "finetune"):
        with pytest.raises(SettingError, match=option):
            build_methods(["none"], replace(Budget(regime=regime), **{setting: value}))
    method = build_methods(["none"], replace(BUDGET, **{setting: value}))["none"]
    parameters = method.steps[-1][1].get_params()
    assert parameters[{"views": "n_views"}.get(setting, setting)] == value


def test_regimes_have_names() -> None:
    assert [*REGIMES] == ["scratch", "frozen", "finetune"]
    with pytest.raises(SettingError, match="frozen"):
        build_methods(["none"], Budget(regime="frosen"))


@pytest.mark.parametrize(
    "name",
    [
        name if name not in {*GENERATIVE} - QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in SUITABLE
    ],
)
def test_from_images_to_predictions(name: str, tmp_path: Path) -> None:
    study = make_study(name)
    [cell] = study.cells()
    outcome = fit_cell(cell, study, tmp_path, lambda *_report: None)
    scores = outcome.predictions["test_score"]
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-6)
    assert np.ptp(scores, axis=0).max() > 0, "all images have the same scores"
    assert "test_score_other" in outcome.predictions
    if METHODS[name].balance is None:
        assert not outcome.record.resumed


def test_features_are_computed_before_the_cells_and_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study("none", "focal", "crt", n_splits=2)
    used = set()
    for split in study.splits:
        used |= {*split.train, *split.validation, *split.test}
    assert prepare_study(study, tmp_path / "workspace") == 4 * len(used)  # four views
    assert prepare_study(study, tmp_path / "workspace") == 0

    def refuse(*_arguments: object) -> None:
        raise AssertionError("features were computed again")

    store = run_study(make_study("none"), tmp_path / "run", executor=InProcess())
    monkeypatch.setattr(FrozenExtractor, "_compute", refuse)
    (tmp_path / "workspace").rename(tmp_path / "other")
    for cell in study.cells():
        fit_cell(cell, study, tmp_path / "other", lambda *_report: None)
    assert len(open_run(store.folder).finished) == 1


def test_the_judge_of_curated_images_reads_the_same_features() -> None:
    curated = build_methods(["dcgan_curated"], BUDGET)["dcgan_curated"]
    assert isinstance(curated.steps[0][1].judge, FrozenClassifier)
