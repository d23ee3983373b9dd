"""Spellings of one name, and words for a missing value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.data.spelling import is_missing, same_spelling, spellings


@pytest.mark.parametrize(
    "names",
    [
        ("normal", "Normal", "NORMAL ", "nor\u200bmal", "\uff4eormal"),
        ("no finding", "No_Finding", "NoFinding", "no-finding", "no\u00a0finding"),
        ("1", "1.0", "01", "1.", "1,0"),
        ("grade 1", "Grade_01", "grade-1"),
        ("tumör", "tumo\u0308r"),
    ],
)
def test_spellings_of_one_name_are_recognized(names: tuple[str, ...]) -> None:
    assert [len(group) for group in spellings(names)] == [len(names)]


@pytest.mark.parametrize(
    "names",
    [
        ("1", "10", "1.05", "100", "0", "0.1", "-1", "1 2", "12", "1, 2", "1.2"),
        ("normal", "abnormal", "normals"),
        ("+", "-", "?", "_"),
        ("grade 1", "grade 2", "grade 10", "grade 1.5"),
        ("v1.0.2", "v1.2", "v1.02"),
    ],
)
def test_different_names_are_kept_apart(names: tuple[str, ...]) -> None:
    assert spellings(names) == []


@pytest.mark.parametrize("value", ["", " ", "nan", "NA", "n/a", "#N/A", "<NA>", "?", "null", "-"])
def test_words_for_a_missing_value(value: str) -> None:
    assert is_missing(value)


def test_some_words_depend_on_the_other_values() -> None:
    assert not is_missing("-", {"+", "-"})
    assert is_missing("None", {"0", "1", "None"})
    assert is_missing("none", {"normal", "none"})
    assert not is_missing("none", {"none", "mild", "severe"})
    assert not is_missing("none")
    assert not is_missing("nano")


@settings(deadline=None)
@given(st.text())
def test_a_form_is_a_spelling_of_itself(name: str) -> None:
    assert same_spelling(name.upper().lower()) == same_spelling(
        name.upper().lower().strip() or name
    )
    assert same_spelling(name) or not name
