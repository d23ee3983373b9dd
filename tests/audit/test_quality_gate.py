"""The rule of quality refuses, passes or leaves open by intervals, and names the extractor."""

from typing import Any

import numpy as np
import pytest

from equipoise.audit.gate import NOT_MEASURED, PASSED, REFUSED
from equipoise.audit.quality_gate import QualityRule, decide_quality
from equipoise.audit.realism import Finding


def told(value: float, low: float, high: float, extractor: str = "random") -> Finding:
    return Finding.of("two_sample", 80, (value, low, high), (0.52, 0.42, 0.62), extractor)


def share(measure: str, value: float, floor: float = 0.9, extractor: str = "random") -> Finding:
    return Finding.of(measure, 80, (value, value, value), (floor, floor, floor), extractor)


@pytest.mark.parametrize(
    ("test", "status"),
    [
        (told(0.6, 0.5, 0.7), PASSED),
        (told(0.99, 0.95, 1.0), REFUSED),
        (told(0.9, 0.81, 0.97), REFUSED),
        (told(0.9, 0.79, 0.97), NOT_MEASURED),  # neither end is beyond the level
        (told(0.6, 0.35, 0.81), NOT_MEASURED),
    ],
)
def test_the_interval_decides_and_not_the_value(test: Finding, status: str) -> None:
    decision = decide_quality("carcinoma", [test])
    assert decision.status == status
    assert f"{test.value:.2f} [{test.low:.2f}, {test.high:.2f}]" in decision.reasons[0]


def test_one_extractor_that_sees_the_difference_is_enough_and_named() -> None:
    findings = [told(0.6, 0.5, 0.7), told(0.97, 0.9, 1.0, "spectrum"), told(0.5, 0.4, 0.6, "mine")]
    decision = decide_quality("carcinoma", findings)
    assert decision.status == REFUSED
    (reason,) = decision.reasons
    assert "carcinoma" in reason
    assert "the radial power spectrum: AUROC 0.97 [0.90, 1.00]" in reason
    assert "0.52 [0.42, 0.62]" in reason
    passed = decide_quality("carcinoma", [findings[2], findings[0]])
    assert "0.60 [0.50, 0.70] by a random network" in passed.reasons[0]  # the worst is quoted
    wide = told(0.6, 0.3, 0.85, "spectrum")
    assert decide_quality("carcinoma", [findings[0], wide]).status == NOT_MEASURED


@pytest.mark.parametrize("measure", ["precision", "recall", "coverage"])
def test_a_collapse_is_refused_beside_that_of_real_images(measure: str) -> None:
    good = told(0.6, 0.5, 0.7)
    assert decide_quality("x", [good, share(measure, 0.46)]).status == PASSED
    assert decide_quality("x", [good, share(measure, 0.2, floor=0.3)]).status == PASSED
    decision = decide_quality("x", [good, share(measure, 0.44)])
    assert decision.status == REFUSED
    assert f"{measure} 0.44 (real 0.90)" in decision.reasons[0]
    assert decide_quality("x", [good, share("density", 0.1)]).status == PASSED


def test_constant_and_repeated_images_are_refused_however_few() -> None:
    few = Finding(measure="two_sample", extractor="random", n=5, refused="Too few.")
    assert decide_quality("x", [share("repeats", 0.2, 0.15, ""), few]).status == NOT_MEASURED
    assert decide_quality("x", [share("repeats", 0.4, 0.0, ""), few]).status == REFUSED


def test_what_was_not_compared_does_not_pass() -> None:
    refused: Any = Finding(measure="two_sample", extractor="random", n=5, refused="Too few.")
    for findings in ([], [refused], [share("repeats", 0.0, 0.0, "")]):
        assert decide_quality("x", findings).status == NOT_MEASURED
    assert "Too few." in decide_quality("x", [refused]).reasons[0]


def test_an_extractor_that_is_not_used_decides_nothing() -> None:
    unused = Finding(measure="two_sample", extractor="classifier", n=80, refused="AUROC 0.50.")
    assert decide_quality("x", [unused, told(0.6, 0.5, 0.7)]).status == PASSED


def test_the_thresholds_are_those_of_the_rule() -> None:
    strict = QualityRule(most_told=0.6, least_share=0.95, most_repeats=0.0)
    assert decide_quality("x", [told(0.7, 0.61, 0.79)]).status == PASSED
    assert decide_quality("x", [told(0.7, 0.61, 0.79)], strict).status == REFUSED
    assert decide_quality("x", [share("recall", 0.8)], strict).status == REFUSED
    assert decide_quality("x", [share("repeats", 0.05, 0.0, "")], strict).status == REFUSED
    assert np.isfinite(strict.most_told)
