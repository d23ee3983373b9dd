"""Every method of the catalogue in the regime `finetune`, from random "pretrained" weights."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import save_file
from tests.experiments.test_every_method import (
    BUDGET,
    GENERATIVE,
    Steps,
    assert_same,
    check_whole,
    make_study,
    run,
)
from tests.fixtures.pretrained import TINY_NAME

from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import SettingError, WeightsError
from equipoise.experiments.image_plan import check_plan
from equipoise.experiments.methods.catalogue import WITHIN_BUDGET, build_methods, named
from equipoise.experiments.methods.regimes import FINETUNED
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.testing.probes import Killed, eager_checkpoints
from equipoise.training import collapse

QUICK = {"dcgan_curated", "cdcgan_mix"}  # of those with a generator; else at `make slow`
SUITABLE = named("all", replace(BUDGET, regime="finetune"))


@pytest.fixture(autouse=True)
def _patience_with_beginners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 0.0)


@pytest.fixture
def budget(tiny_weights: str) -> Budget:
    """A budget whose warm-up of the head has a step."""
    tiny = replace(BUDGET, regime="finetune", network=TINY_NAME, pretrained=tiny_weights)
    return replace(tiny, n_steps=10)


def test_methods_that_make_no_sense_are_left_out_and_refused_with_the_reason(
    budget: Budget,
) -> None:
    unsuitable = set(WITHIN_BUDGET) - set(SUITABLE)
    assert unsuitable == {"vae_pretraining", "vae_transfer"}
    for name in (*unsuitable, "s0_vae"):
        with pytest.raises(SettingError, match=f"'finetune', got '{name}'.*weights"):
            build_methods([name], budget)


@pytest.mark.parametrize("network", ["small_cnn", "mobilenet_v2"])
def test_without_pretrained_weights_the_fix_is_named(network: str) -> None:
    with pytest.raises(SettingError, match=r"got network.*mobilenet_v2.*'official'.*'scratch'"):
        build_methods(["none"], Budget(regime="finetune", network=network))
    with pytest.raises(SettingError, match="mobilenet_v2"):
        build_methods(["none"], Budget(regime="finetune", pretrained="official"))


def test_missing_weights_are_known_before_any_image_is_read(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.safetensors")
    budget = Budget(regime="finetune", network="mobilenet_v2", pretrained=gone)
    with pytest.raises(WeightsError, match="gone"):
        check_plan(Protocol(methods=("none",)), budget, size=128)


def test_all_methods_have_the_settings_of_the_regime(budget: Budget) -> None:
    for name, pipeline in build_methods(SUITABLE, budget).items():
        classifier = pipeline.steps[-1][1]
        assert isinstance(classifier, ImageClassifier)
        settings = classifier.get_params(deep=False)
        assert FINETUNED.items() <= settings.items(), name
        assert settings["pretrained"] == budget.pretrained
    judge = build_methods(["dcgan_curated"], budget)["dcgan_curated"].steps[0][1].judge
    assert FINETUNED.items() <= judge.get_params(deep=False).items()


@pytest.mark.parametrize(
    "name",
    [
        name if name not in {*GENERATIVE} - QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in SUITABLE
    ],
)
def test_from_images_to_predictions(name: str, budget: Budget, tmp_path: Path) -> None:
    study = make_study(name, budget=budget)
    check_whole(run(study, tmp_path), study)


def test_a_network_of_timm_is_finetuned(
    budget: Budget, fake_timm: ModuleType, tmp_path: Path
) -> None:
    network = fake_timm.create_model("tiny", pretrained=False, num_classes=9, in_chans=3)
    file = tmp_path / "tiny.safetensors"
    save_file(network.state_dict(), file)
    study = make_study("none", budget=replace(budget, network="timm:tiny", pretrained=str(file)))
    check_whole(run(study, tmp_path), study)


@pytest.mark.parametrize("name", ["none", pytest.param("crt", marks=pytest.mark.slow)])
def test_killed_in_the_middle_it_ends_in_the_same_weights(
    name: str, budget: Budget, tmp_path: Path
) -> None:
    """The first step of 10 trains the head alone."""
    study = make_study(name, budget=budget)
    steps = Steps()
    expected = run(study, tmp_path / "whole", steps)
    for moment in (1, 2, steps.done - 1):
        workspace = tmp_path / f"killed-{moment}"
        with eager_checkpoints(), pytest.raises(Killed):
            run(study, workspace, Steps(last=moment))
        left = Steps()
        continued = run(study, workspace, left)
        assert left.done <= steps.done - moment + 1, "it started from the beginning"
        assert_same(continued, expected, tmp_path / f"weights-{moment}")
