"""How an audit of synthetic images is shown: its numbers as text, and its closest pairs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.arrays import ValueRange
from equipoise.report.formatting import decimal, interval, known
from equipoise.report.images import Sheet, contact_sheet

COLUMNS = {
    "n_copies": "Near copies",
    "close": "Unusually close",
    "nearness": "Distance, real = 1",
    "authenticity": "Authentic",
    "copying": "C_T",
    "membership": "Who was in training",
}


@dataclass(frozen=True)
class Couple:
    """A synthetic image beside the real training image that it resembles most."""

    sheet: Sheet
    text: str
    copy: bool


def couples(pairs: Mapping[str, Any], names: Sequence[str], span: ValueRange) -> list[Couple]:
    """Lay each synthetic image beside its real one.

    Args:
        pairs: "synthetic" and "real" (n, c, h, w), "likeness" (n,), and "copy" (n,), True for a near copy.
        names: What each pair is called.
        span: The values shown as black and white.
    """
    columns = (pairs[key] for key in ("synthetic", "real", "likeness", "copy"))
    return [
        Couple(
            contact_sheet(np.stack([synthetic, real]), span, columns=2),
            f"{name}: likeness {decimal(float(likeness), 2)}{', a near copy' if copy else ''}",
            bool(copy),
        )
        for name, synthetic, real, likeness, copy in zip(names, *columns, strict=True)
    ]


def cells(found: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Write the findings of one class, of one run or of several: a value and a small note for each column."""
    n, copies = (sum(one[key] for one in found) for key in ("n_synthetic", "n_copies"))
    attacks = [one["membership"] for one in found if one["membership"] is not None]
    low, high = (_mean([attack[end] for attack in attacks]) for end in ("low", "high"))
    return {
        "n_copies": (f"{copies:,}", f"of {n:,}"),
        "close": (_percent(_mean(_values(found, "close"), 100)), "real: 1 %"),
        "nearness": (decimal(_mean(_values(found, "nearness")), 2), ""),
        "authenticity": (
            _percent(_mean(_values(found, "authenticity"))),
            f"real: {_percent(_mean(_values(found, 'authenticity_held_out')))}",
        ),
        "copying": (decimal(_mean(_values(found, "copying")), 1), ""),
        "membership": (
            decimal(_mean([attack["auc"] for attack in attacks]), 2),
            interval(low, high, _two),
        ),
    }


def _values(found: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [one[key] for one in found if one[key] is not None]


def _mean(values: Sequence[float], scale: float = 1) -> float | None:
    return scale * float(np.mean(values)) if len(values) else None


def _percent(value: float | None) -> str:
    return f"{value:.0f} %" if value is not None and known(value) else decimal(None)


def _two(value: float | None) -> str:
    return decimal(value, 2)
