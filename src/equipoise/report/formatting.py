"""How numbers, counts and settings are written in the report."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

MINUS = "\N{MINUS SIGN}"
UNBROKEN = re.compile(
    r"(?<![\w-])(?:--[a-z][\w-]*|[A-Za-z]\w*-\d+|[a-z_]\w*='[^'\s]{1,20}')(?![\w-])"
)


def known(value: float | None) -> bool:
    """Return whether there is a finite number."""
    return value is not None and math.isfinite(value)


def decimal(value: float | None, digits: int = 3) -> str:
    """Return 0.812, or a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)  # never -0.000


def signed(value: float | None, digits: int = 3) -> str:
    """Return +0.031, or a dash where there is no number; negative numbers get a true minus sign.

    Example:
        >>> signed(0.0312), signed(None)
        ('+0.031', '–')
    """
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", MINUS)


def interval(
    low: float | None, high: float | None, form: Callable[[float | None], str] = decimal
) -> str:
    """Return "0.772 to 0.943", or an empty string where an end is unknown."""
    return f"{form(low)} to {form(high)}" if known(low) and known(high) else ""


def p_value(value: float | None) -> str:
    """Return 0.034, or < 0.001."""
    return "< 0.001" if value is not None and value < 0.001 else decimal(value)


def times(*numbers: int) -> str:
    """Return 64 x 64 with a true multiplication sign."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, numbers))


def seconds(value: float) -> str:
    """Return 0.4 s, 41 s, 3 min 20 s or 2 h 05 min.

    Example:
        >>> seconds(200), seconds(7500)
        ('3 min 20 s', '2 h 05 min')
    """
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def megabytes(value: float | None) -> str:
    """Return 812 MB or 3.4 GB (2^20 and 2^30 bytes); a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,.0f} MB" if value < 1024 else f"{value / 1024:.1f} GB"


def extent(values: Iterable[int]) -> str:
    """Return one count, or smallest and largest where they differ; a dash where there is none.

    Example:
        >>> extent([4, 4]), extent([3, 7])
        ('4', '3–7')
    """
    counts = sorted(set(values))
    if not counts:
        return "\N{EN DASH}"
    smallest, largest = f"{counts[0]:,}", f"{counts[-1]:,}"
    return smallest if len(counts) == 1 else f"{smallest}\N{EN DASH}{largest}"


def plural(n: int, noun: str, nouns: str | None = None) -> str:
    """Return "1 image" or "2 images"; `nouns` is an irregular plural."""
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence.

    Example:
        >>> listed(["dcgan", "cdcgan", "vae"])
        'dcgan, cdcgan and vae'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence_case(text: str) -> str:
    """Return the text with a capital first letter, the rest unchanged."""
    return text[:1].upper() + text[1:]


def in_units(text: str, unit: str) -> str:
    """Return a text of ours about patients, in the words of a study that may know none.

    Args:
        text: The text, which contains no name; markup stays markup.
        unit: "patient", "case" or "image".

    Example:
        >>> in_units("Patients were split first, each patient once.", "case")
        'Cases were split first, each case once.'
    """
    return text.replace("patient", unit).replace("Patient", sentence_case(unit))


def breakable(name: str) -> Markup:
    """Return HTML in which a browser may break a long name after its underscores."""
    return escape(name).replace("_", Markup("_<wbr>"))


def unbroken(sentence: str) -> Markup:
    """Return HTML in which options, settings, split-0 and percentages stay on one line.

    Example:
        >>> unbroken("Use --own-thresholds.")
        Markup('Use <span class="unbroken">--own-thresholds</span>.')
    """
    text = sentence.replace(" %", "\N{NO-BREAK SPACE}%")
    html, end = Markup(), 0
    for match in UNBROKEN.finditer(text):
        html += escape(text[end : match.start()])
        html += Markup('<span class="unbroken">{}</span>').format(match[0])
        end = match.end()
    return html + escape(text[end:])


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings.

    Example:
        >>> flat({"regularizer": {"name": "r1", "weight": 10.0}})
        {'regularizer.name': 'r1', 'regularizer.weight': '10.0'}
    """
    rows: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows |= flat(value, f"{prefix}{name}.")
        else:
            rows[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return rows
