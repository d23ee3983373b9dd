from typing import Any

import pytest

from equipoise.curation.dosed import DosedOversampler
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import METHODS, build_methods
from equipoise.experiments.methods.doses import dosed
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import Budget

BUDGET = Budget(n_steps=7, gan_steps=9, device="cpu")


@pytest.mark.parametrize(
    ("dose", "name"),
    [({"share": 0.5}, "dcgan@0.5"), ({"share": 2}, "dcgan@2"), ({"per_class": 120}, "dcgan+120")],
)
def test_a_dose_changes_nothing_else(dose: dict[str, Any], name: str) -> None:
    method = dosed(METHODS["dcgan"], **dose)
    assert method.name == name
    assert method.summary.endswith(".")
    assert method.minimum == METHODS["dcgan"].minimum
    (_, balance), (_, classify) = method.build(BUDGET).steps
    (_, whole), (_, same) = METHODS["dcgan"].build(BUDGET).steps
    assert isinstance(balance, DosedOversampler)
    assert balance.generator.get_params() == whole.get_params()
    assert classify.get_params() == same.get_params()


def test_doses_are_found_by_name() -> None:
    built = build_methods(["none", "dcgan@0.25", "dcgan+120", "cdcgan@2"], BUDGET)
    settings: dict[str, dict[str, Any]] = {
        name: dict(describe_steps(method)[0].settings) for name, method in built.items()
    }
    assert list(built) == ["none", "dcgan@0.25", "dcgan+120", "cdcgan@2"]
    assert (settings["dcgan@0.25"]["share"], settings["dcgan@0.25"]["per_class"]) == (0.25, None)
    assert (settings["dcgan+120"]["share"], settings["dcgan+120"]["per_class"]) == (None, 120)
    assert settings["cdcgan@2"]["generator"]["conditioning"] == "embedding"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dcgann@0.5", "Did you mean"),
        ("dcgan@", "No method named 'dcgan@'"),
        ("dcgan@-1", "No method named"),
        ("none@0.5", "a method that adds images"),
        ("crt+120", "a method that adds images"),
    ],
)
def test_wrong_doses_are_refused(name: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        build_methods(["none", name], BUDGET)


@pytest.mark.parametrize("dose", [{}, {"share": 0.5, "per_class": 120}])
def test_one_dose_at_a_time(dose: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="share and per_class"):
        dosed(METHODS["dcgan"], **dose)
