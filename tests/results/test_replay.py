"""The fair control of each arm that adds synthetic images, and the sentence where it is missing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.description import describe
from equipoise.experiments.methods.catalogue import METHODS, build_methods
from equipoise.experiments.protocol import STRONG_CONTROLS, Budget, Protocol
from equipoise.experiments.study import Study
from equipoise.resampling.random import RandomOversampler, ReplayOversampler
from equipoise.results.replay import OVERSAMPLING, REPLAY, missing_replays, replay_of, replays
from equipoise.runs.description import StudyDescription
from equipoise.time_plan.choosing import CONTROL, GENERATOR

Describe = Callable[..., StudyDescription]
BUDGET = Budget(device="cpu")


@pytest.fixture
def described(toy: ImageDataset) -> Describe:
    """Return the description of a study of methods by name, and of others."""

    def describe_study(*names: str, **others: Pipeline) -> StudyDescription:
        methods = {**build_methods(names, BUDGET), **others}
        splits = hold_out(toy, n_splits=1)
        return describe(Study(name="x", dataset=toy, splits=splits, methods=methods, seeds=(0,)))

    return describe_study


def test_the_names_of_the_classes_are_current() -> None:
    for kind, name in ((ReplayOversampler, REPLAY), (RandomOversampler, OVERSAMPLING)):
        assert f"{kind.__module__}.{kind.__qualname__}" == name


def test_replays_are_found_at_any_dose(described: Describe) -> None:
    names = ("none", "oversampling", "dcgan", "replay", "replay_mix", "replay@0.5", "dcgan@0.5")
    assert replays(described(*names)) == ("replay", "replay_mix", "replay@0.5")
    assert "replay" in STRONG_CONTROLS


@pytest.mark.parametrize(
    ("method", "control"),
    [
        ("dcgan", "replay"),
        ("edm_curated", "replay"),
        ("dcgan@0.5", "replay@0.5"),
        ("cdcgan+120", "replay+120"),
        ("cdcgan_mix", "replay_mix"),
        ("cdcgan_mix@2", "replay_mix@2"),
        ("cdcgan_half", "replay_half"),
        ("cdcgan_crt", "replay_crt"),
        ("smote", "replay"),
    ],
)
def test_each_arm_has_its_replay_and_the_message_names_it(
    method: str, control: str, described: Describe
) -> None:
    others = ("none", "oversampling@2", "replay@0.25", "replay+7", "replay@120")
    without = described(*others, method)
    assert replay_of(method, without) is None
    message = missing_replays(without, [method])
    assert message is not None
    assert f"as {method} adds" in message
    assert f" {control} " in message
    with_control = described(*others, method, control)
    assert replay_of(method, with_control) == control
    assert missing_replays(with_control, [method]) is None


def test_oversampling_is_the_control_where_images_are_treated_alike(described: Describe) -> None:
    study = described("none", "oversampling", "dcgan", "cdcgan_mix", "dcgan@0.5", "undersampling")
    assert replay_of("dcgan", study) == "oversampling"
    assert replay_of("cdcgan_mix", study) is None
    assert replay_of("dcgan@0.5", study) is None
    assert replay_of("dcgan", described("none", "oversampling", "replay", "dcgan")) == "replay"


def test_oversampling_in_special_batches_is_no_control_of_special_batches(
    described: Describe,
) -> None:
    """With the sampler "synthetic_mix" its copies are real, and a batch holds another mixture."""
    mixed = replace(METHODS["oversampling"], classifier=METHODS["cdcgan_mix"].classifier)
    study = described("none", "cdcgan_mix", oversampling_mix=mixed.build(BUDGET))
    assert replay_of("cdcgan_mix", study) is None


def test_a_method_of_another_classifier_has_no_control_in_the_catalogue(
    described: Describe,
) -> None:
    message = missing_replays(described("none", "replay", "vae_transfer"), ["vae_transfer"])
    assert message is not None
    assert "to the methods" not in message


def test_the_default_comparison_has_a_fair_control_of_each_generator(described: Describe) -> None:
    study = described(*Protocol().methods, CONTROL, GENERATOR)
    assert missing_replays(study, [GENERATOR]) is None
