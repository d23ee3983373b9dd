import pytest

from equipoise.exceptions import SettingError
from equipoise.experiments.methods import METHODS, Budget, build_methods
from equipoise.experiments.settings import steps_of

BUDGET = Budget(
    network="resnet18", n_steps=7, batch_size=5, gan_steps=9, gan_channels=4, learning_rate=0.5, device="cpu"
)


def test_all_arms_share_one_classifier_but_for_its_loss() -> None:
    methods = build_methods(METHODS, BUDGET)
    assert list(methods) == ["none", "class_weights", "oversampling", "undersampling", "dcgan", "cdcgan"]
    settings = {name: steps_of(method)[-1]["settings"] for name, method in methods.items()}
    losses = {name: own.pop("loss") for name, own in settings.items()}
    assert len({str(own) for own in settings.values()}) == 1
    assert {name for name, loss in losses.items() if loss != "cross_entropy"} == {"class_weights"}
    assert settings["none"]["n_steps"] == 7
    assert settings["none"]["network"] == "resnet18"
    assert settings["none"]["device"] == "cpu"


def test_generators_share_their_budget() -> None:
    methods = build_methods(["dcgan", "cdcgan"], BUDGET)
    one, other = (steps_of(method)[0]["settings"] for method in methods.values())
    assert one.pop("conditioning") == "per_class"
    assert other.pop("conditioning") == "embedding"
    assert one == other
    assert (one["n_steps"], one["base_channels"], one["device"]) == (9, 4, "cpu")


def test_every_method_says_what_it_does() -> None:
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary.endswith(".")


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
