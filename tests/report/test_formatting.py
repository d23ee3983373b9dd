"""Numbers as a reader sees them."""

import pytest

from equipoise.report.formatting import (
    breakable,
    decimal,
    extent,
    flat,
    interval,
    megabytes,
    p_value,
    plural,
    seconds,
    sentence_case,
    signed,
)

NAN = float("nan")


def test_numbers_have_a_true_minus_and_missing_ones_a_dash() -> None:
    assert (decimal(0.8125), decimal(-0.1)) == ("0.812", "−0.100")  # noqa: RUF001
    assert (decimal(NAN), decimal(None)) == ("–", "–")  # noqa: RUF001
    assert (signed(0.03), signed(-0.03), signed(NAN)) == ("+0.030", "−0.030", "–")  # noqa: RUF001


def test_an_interval_is_whole_or_absent() -> None:
    assert interval(0.1, 0.25) == "0.100 to 0.250"
    assert interval(0.1, NAN) == ""


def test_p_values() -> None:
    assert (p_value(0.00001), p_value(0.034)) == ("< 0.001", "0.034")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.41, "0.4 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (3605, "1 h 00 min"),
        (7512, "2 h 05 min"),
    ],
)
def test_durations(value: float, text: str) -> None:
    assert seconds(value) == text


def test_memory_and_counts() -> None:
    assert (megabytes(812.4), megabytes(3482), megabytes(None)) == ("812 MB", "3.4 GB", "–")  # noqa: RUF001
    assert (extent([5, 5]), extent([7, 5]), extent([])) == ("5", "5–7", "–")  # noqa: RUF001
    assert (plural(1, "class", "classes"), plural(2000, "image")) == ("1 class", "2,000 images")


def test_nested_settings_become_rows() -> None:
    assert flat({"a": 1, "b": {"c": [0.5, 1], "d": {}}, "e": None}) == {
        "a": "1",
        "b.c": "[0.5, 1]",
        "b.d": "{}",
        "e": "null",
    }


def test_names_break_behind_underscores_and_stay_escaped() -> None:
    assert breakable("<i>_x") == "&lt;i&gt;_<wbr>x"
    assert sentence_case("mean F1 over") == "Mean F1 over"


def test_rounding_leaves_no_negative_zero() -> None:
    assert (decimal(-1e-17), signed(-1e-17)) == ("0.000", "+0.000")
