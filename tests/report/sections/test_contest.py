"""How the compared generator was chosen, in words."""

from dataclasses import replace

import pytest

from equipoise.report.sections.contest import RULES, choice_text
from equipoise.results.records import ChoiceBasis, Contest

CONTEST = Contest(
    champion="dcgan",
    chosen={"dcgan": 7, "cdcgan": 2},
    basis="other seeds",
    n_challengers=8,
    controls=("crt",),
    rows=(),
    sentence="",
)


@pytest.mark.parametrize("basis", ["other seeds", "other splits", "own"])
def test_the_rule_and_the_counts_are_named(basis: ChoiceBasis) -> None:
    text = choice_text(replace(CONTEST, basis=basis))
    assert text.startswith(RULES[basis])
    assert "Of 8 generators it was dcgan in 7 and cdcgan in 2 of 9 runs." in text


def test_a_single_generator_is_not_chosen() -> None:
    text = choice_text(replace(CONTEST, chosen={"dcgan": 9}, n_challengers=1))
    assert text == "dcgan is the only generator of this run."
