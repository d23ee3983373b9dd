"""Phrases that the verdicts share."""

import math
from dataclasses import replace

from equipoise.results.phrases import (
    MOST_NAMED,
    agrees,
    detectable_in_words,
    effects,
    listed,
    plural,
)
from equipoise.results.records import Comparison

ROW = Comparison(
    method="dcgan",
    baseline="none",
    metric="auroc",
    difference=0.0712,
    low=0.0201,
    high=0.1223,
    p=0.01,
    p_holm=0.02,
    verdict="better",
    detectable=0.05,
    n_runs=4,
)


def test_an_effect_has_its_interval() -> None:
    assert effects([ROW]) == "dcgan +0.071 [+0.020, +0.122]"


def test_an_effect_without_an_interval_stands_alone() -> None:
    assert effects([replace(ROW, low=math.nan, high=math.nan)]) == "dcgan +0.071"


def test_many_effects_are_counted() -> None:
    rows = [replace(ROW, method=f"m{i}") for i in range(MOST_NAMED + 3)]
    text = effects(rows)
    assert text.endswith(" and 3 more")
    assert f"m{MOST_NAMED - 1} " in text
    assert f"m{MOST_NAMED} " not in text


def test_lists_and_counts() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert (plural(1, "run"), plural(2, "run")) == ("1 run", "2 runs")


def test_what_would_have_been_found_is_that_of_tested_rows() -> None:
    untested = replace(ROW, detectable=math.nan)
    assert "0.050" in detectable_in_words([untested, ROW])
    assert "0.0" not in detectable_in_words([untested])
    assert "too few" in detectable_in_words([ROW, replace(ROW, detectable=math.inf)])


def test_a_verb_agrees_with_its_number() -> None:
    assert [agrees(n, "lies", "lie") for n in (0, 1, 2)] == ["lie", "lies", "lie"]
