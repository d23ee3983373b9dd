from dataclasses import replace
from typing import Any

import pytest

from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import METHODS, WITHIN_BUDGET, build_methods, named
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import Budget

BUDGET = Budget(
    network="resnet18",
    n_steps=7,
    batch_size=5,
    gan_steps=9,
    gan_channels=8,
    learning_rate=0.5,
    device="cpu",
)
ABOUT_THE_CLASSIFIER = {
    "loss",
    "mixing",
    "batch_sampler",
    "second_stage",
    "pretraining",
    "synthetic_weight",
}


def test_all_arms_share_one_classifier_but_for_what_they_are_about() -> None:
    methods = build_methods(METHODS, BUDGET)
    settings = {name: dict(describe_steps(method)[-1].settings) for name, method in methods.items()}
    for own in settings.values():
        for name, value in own.items():
            assert name in ABOUT_THE_CLASSIFIER or value == settings["none"][name], name
    assert settings["none"]["n_steps"] == 7
    assert settings["none"]["network"] == "resnet18"
    assert settings["none"]["device"] == "cpu"
    assert settings["none"]["loss"] == "cross_entropy"


@pytest.mark.parametrize(
    ("requested", "has_units", "precisions"),
    [
        # of the classifier, of the DCGAN, of the WGAN
        ("auto", True, ("bf16-mixed", "bf16-mixed", "32-true")),
        ("auto", False, ("32-true",) * 3),
        ("32-true", True, ("32-true",) * 3),
        ("bf16-mixed", False, ("bf16-mixed",) * 3),
    ],
)
def test_bfloat16_is_chosen_where_there_are_units_and_it_was_measured_to_hold(
    monkeypatch: pytest.MonkeyPatch, requested: str, has_units: bool, precisions: tuple[str, ...]
) -> None:
    monkeypatch.setattr("equipoise.training.devices.has_bfloat16", lambda _device: has_units)
    budget = replace(BUDGET, precision=requested, gan_precision=requested)
    methods = build_methods(["none", "dcgan", "wgan_gp"], budget)
    generators = [methods[name][0].get_params() for name in ("dcgan", "wgan_gp")]
    of_generators = [params["schedule__precision"] for params in generators]
    assert (methods["none"][-1].precision, *of_generators) == precisions
    slower = build_methods(["none"], replace(budget, network="mobilenet_v2"))["none"][-1]
    assert (slower.precision == "bf16-mixed") == (requested == "bf16-mixed")


@pytest.mark.parametrize(
    ("checkpoint", "keep_best"), [("best", "balanced_accuracy"), ("last", "averaged")]
)
def test_all_arms_keep_their_weights_by_one_policy(checkpoint: str, keep_best: str) -> None:
    methods = build_methods(METHODS, replace(BUDGET, checkpoint=checkpoint))
    policies = {describe_steps(method)[-1].settings["keep_best"] for method in methods.values()}
    assert policies == {keep_best}


@pytest.mark.parametrize(("checkpoint", "keep_best"), [("best", "auroc"), ("last", "averaged")])
def test_heads_on_frozen_features_are_chosen_by_their_ranking(
    checkpoint: str, keep_best: str
) -> None:
    frozen = replace(BUDGET, regime="frozen", pretrained="random", checkpoint=checkpoint)
    methods = build_methods(["none", "crt", "smote_features"], frozen)
    policies = {describe_steps(method)[-1].settings["keep_best"] for method in methods.values()}
    assert policies == {keep_best}


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(SettingError, match=r"'lasst'.*'last'"):
        build_methods(["none"], replace(BUDGET, checkpoint="lasst"))


def test_no_two_methods_are_the_same() -> None:
    methods = build_methods(METHODS, BUDGET)
    assert len({str(describe_steps(method)) for method in methods.values()}) == len(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_work_on_small_images(name: str) -> None:
    for _, step in METHODS[name].build(BUDGET).steps:
        step.check_settings(32)


def test_generators_share_their_budget() -> None:
    methods = build_methods(["dcgan", "cdcgan"], BUDGET)
    per_class, embedded = (method.steps[0][1].get_params() for method in methods.values())
    assert per_class.pop("conditioning") == "per_class"
    assert embedded.pop("conditioning") == "embedding"
    assert per_class == embedded
    assert per_class["schedule__n_steps"] == 9
    assert per_class["networks__base_channels"] == 8
    assert per_class["device"] == "cpu"


def test_names_are_read_from_a_list_or_stand_for_all() -> None:
    assert named(" none,cdcgan ,") == ("none", "cdcgan")
    assert named("all") == WITHIN_BUDGET
    assert WITHIN_BUDGET[0] == "none"
    assert WITHIN_BUDGET[-1] == "edm_curated"
    assert set(METHODS) - set(WITHIN_BUDGET) == {
        name for name in METHODS if name[:3] in ("s0_", "s1_", "s2_", "s4_")
    }


@pytest.mark.parametrize("name", ["dcgan", "cdcgan", "edm"])
def test_a_curated_arm_differs_by_its_filters_alone(name: str) -> None:
    plain, curated = (
        describe_steps(m) for m in build_methods([name, f"{name}_curated"], BUDGET).values()
    )
    assert curated[1] == plain[1]
    settings: dict[str, Any] = dict(curated[0].settings)
    generator, judge = (settings[part] for part in ("generator", "judge"))
    assert {"class": plain[0].class_name, **plain[0].settings} == generator
    assert {key: judge[key] for key in ("network", "n_steps", "batch_sampler", "device")} == {
        "network": "resnet18",
        "n_steps": 7,
        "batch_sampler": "balanced",
        "device": "cpu",
    }


def test_every_game_has_as_many_updates() -> None:
    assert Budget(gan_steps=600).rounds(1) == 600
    assert Budget(gan_steps=600).rounds(5) == 200
    assert Budget(gan_steps=1).rounds(5) == 1


def test_every_method_says_what_it_does_and_what_it_needs() -> None:
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary.endswith(".")
        assert method.minimum >= 1
    assert METHODS["dcgan"].minimum > METHODS["oversampling"].minimum


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["none", "overssampling"], "Did you mean 'oversampling'"),
        ([], "at least one method. Available: .*cdcgan"),
        (["none", "none"], "once"),
    ],
)
def test_wrong_names_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        build_methods(names, BUDGET)
