"""How numbers and facts are written in the report."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

MINUS = "\N{MINUS SIGN}"


def known(value: float | None) -> bool:
    """Say whether there is a number at all."""
    return value is not None and math.isfinite(value)


def decimal(value: float | None, digits: int = 3) -> str:
    """Write 0.812, or a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """Write +0.031 or the same with a true minus sign."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:+.{digits}f}".replace("-", MINUS)


def interval(
    low: float | None, high: float | None, form: Callable[[float | None], str] = decimal
) -> str:
    """Write 0.772 to 0.943, or nothing where an end is not known."""
    return f"{form(low)} to {form(high)}" if known(low) and known(high) else ""


def p_value(value: float | None) -> str:
    """Write 0.034, or < 0.001."""
    return "< 0.001" if value is not None and value < 0.001 else decimal(value)


def times(*numbers: int) -> str:
    """Write 64 x 64 with a true multiplication sign."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, numbers))


def seconds(value: float) -> str:
    """Write 0.4 s, 41 s, 3 min 20 s or 2 h 05 min."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def megabytes(value: float | None) -> str:
    """Write 812 MB or 3.4 GB (2^20 and 2^30 bytes)."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,.0f} MB" if value < 1024 else f"{value / 1024:.1f} GB"


def extent(values: Iterable[int]) -> str:
    """Write one count, or the smallest and the largest where they differ; a dash where there is none."""
    found = sorted(set(values))
    if not found:
        return "\N{EN DASH}"
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,}\N{EN DASH}{found[-1]:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Write 1 image, 2 images."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def sentence_case(text: str) -> str:
    """Begin with a capital letter and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def breakable(name: str) -> Markup:
    """Let a browser break a long name behind its underscores."""
    return escape(name).replace("_", Markup("_<wbr>"))


def unbroken(sentence: str) -> str:
    """Keep a number and its percent sign on one line."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Lay nested settings out as {"regularizer.weight": "10.0"}."""
    rows: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows |= flat(value, f"{prefix}{name}.")
        else:
            rows[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return rows
