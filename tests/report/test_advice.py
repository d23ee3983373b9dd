"""What to do on the first screen: nothing but the fix where the baseline is unusable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.report.advice import advice_of
from equipoise.report.run_contents import read_contents
from equipoise.results.regime.warning import RegimeWarning

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(("unusable", "is_silent"), [(("none",), True), (("dcgan",), False)])
def test_nothing_is_advised_on_an_unusable_baseline(
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    unusable: tuple[str, ...],
    is_silent: bool,
) -> None:
    warning = RegimeWarning(
        kind="ranked backwards",
        problem="images are ranked backwards",
        change="check the labels",
        methods=("none", "dcgan"),
        unusable=unusable,
    )
    monkeypatch.setattr("equipoise.report.run_contents.check_regime", lambda *_: (warning,))
    advice = advice_of(read_contents(make_run()))
    assert advice.startswith("Nothing can be advised yet. First check the labels") == is_silent
    assert ("check the labels" in advice) == is_silent


def test_a_better_simple_reference_comes_first(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = RegimeWarning(
        kind="below the reference",
        problem="a logistic regression ranks better",
        change="train longer",
        methods=("none",),
    )
    monkeypatch.setattr("equipoise.report.run_contents.check_regime", lambda *_: (warning,))
    advice = advice_of(read_contents(make_run()))
    assert advice.startswith("Train better before you rebalance: train longer")
    assert "until then: keep the plain classifier" in advice.lower()
