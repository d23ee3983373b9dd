"""Durations as people type them: 90s, 10m, 2h, 1.5h, 1h30m."""

import re

from equipoise.exceptions import SettingError

NUMBER = r"(\d+(?:\.\d+)?)"
PATTERN = re.compile(rf"(?:{NUMBER}h)?(?:{NUMBER}m(?:in)?)?(?:{NUMBER}s)?", re.IGNORECASE)
SECONDS = (3600, 60, 1)  # of the three groups
LETTERS = {"h": "h", "m": "m", "s": "s", "d": "d"}  # first letter of a word for a unit
LONGEST = 30 * 24 * 3600


def parse_duration(text: str) -> float:
    """Return the seconds of a duration.

    Args:
        text: Hours, minutes and seconds, in this order, for example "1h30m".

    Raises:
        SettingError: Not a duration, or one of 0 s or of more than 30 days.

    Example:
        >>> parse_duration("1h30m"), parse_duration("1.5h"), parse_duration("90s")
        (5400.0, 5400.0, 90.0)
    """
    compact = re.sub(r"\s+", "", str(text))
    match = PATTERN.fullmatch(compact)
    if match is None or not any(match.groups()):
        raise SettingError(
            f"Expected a duration for --time, such as 90s, 10m, 2h or 1h30m, got {text!r}."
            f"{_suggestion(compact)}"
        )
    seconds = 0.0
    for number, unit in zip(match.groups(), SECONDS, strict=True):
        seconds += float(number or 0) * unit
    if not 0 < seconds <= LONGEST:
        raise SettingError(f"Expected a --time above 0 s and up to 720h, got {text!r}.")
    return seconds


def as_typed(seconds: float) -> str:
    """Return a duration as an argument of --time, to the second.

    Example:
        >>> as_typed(5400), as_typed(90), as_typed(7230)
        ('1h30m', '1m30s', '2h30s')
    """
    hours, rest = divmod(max(1, round(seconds)), 3600)
    amounts = (hours, rest // 60, rest % 60)
    return "".join(f"{amount}{unit}" for amount, unit in zip(amounts, "hms", strict=True) if amount)


def _suggestion(compact: str) -> str:
    """Return a question that names the duration that was probably meant; "" without an idea."""
    clock_time = re.fullmatch(r"(\d+):(\d\d)", compact)
    if clock_time:
        return f" Did you mean {int(clock_time[1])}h{int(clock_time[2])}m?"
    number = re.fullmatch(rf"{NUMBER}([a-z]*)", compact, re.IGNORECASE)
    if number is None:
        return ""
    if not float(number[1]):
        return ""
    amount, unit = number[1], LETTERS.get(number[2][:1].lower(), "")
    if unit == "d":
        return f" Did you mean {float(amount) * 24:g}h?"
    if unit:
        return f" Did you mean {amount}{unit}?"
    return f" Did you mean {amount}m or {amount}h?"
