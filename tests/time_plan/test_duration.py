"""Durations as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.exceptions import SettingError
from equipoise.time_plan.duration import LONGEST, as_typed, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("10min", 600),
        ("2h", 7200),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1H 30M", 5400),
        ("1h30m15s", 5415),
    ],
)
def test_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.integers(1, LONGEST))
def test_a_typed_duration_is_read_as_itself(seconds: int) -> None:
    assert parse_duration(as_typed(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("90", "90m or 90h"),
        ("90sec", "90s"),
        ("2 hours", "2h"),
        ("1:30", "1h30m"),
        ("2d", "48h"),
    ],
)
def test_a_near_miss_is_named(text: str, near: str) -> None:
    with pytest.raises(SettingError, match=f"--time.*Did you mean {near}"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "soon", "-5m", "30m1h", "0s", "721h", "nanh"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="--time"):
        parse_duration(text)
