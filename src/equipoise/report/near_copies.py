"""Findings about memorization as text, and the closest pairs of images side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import ValueRange
from equipoise.atomic import JsonObject
from equipoise.audit.findings import Findings
from equipoise.image_rows import ImageSource
from equipoise.metrics.memorization import Membership
from equipoise.report.evidence_files import record_of
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
AVERAGED = ("nearness", "close", "authenticity", "authenticity_held_out", "copying")
NoteCell = tuple[str, str]  # a value and a small note below it


@dataclass(frozen=True, kw_only=True)
class ImagePairs:
    """Synthetic images and the real training images that they resemble most.

    Attributes:
        synthetic: (n, c, h, w) images.
        real: (n, c, h, w) images.
        likeness: (n,) 1 for the same image.
        copy: (n,) True for near copies.
        names: (n,) what each pair is called.
    """

    synthetic: ImageSource
    real: ImageSource
    likeness: NDArray[np.float64]
    copy: NDArray[np.bool_]
    names: Sequence[str]


@dataclass(frozen=True)
class Couple:
    """A synthetic image beside the real training image that it resembles most."""

    sheet: Sheet
    text: str
    copy: bool


def findings_of(row: JsonObject) -> Findings:
    """Return the findings that a JSON object holds."""
    attack = row["membership"]
    membership = record_of(Membership, attack) if isinstance(attack, Mapping) else None
    return record_of(Findings, {**row, "membership": membership})  # type: ignore[dict-item]


def couples(pairs: ImagePairs, span: ValueRange) -> list[Couple]:
    """Put each synthetic image beside its real one; `span` is shown as black to white."""
    figures = []
    for i, name in enumerate(pairs.names):
        sheet = contact_sheet(np.stack([pairs.synthetic[i], pairs.real[i]]), span, columns=2)
        copy = bool(pairs.copy[i])
        likeness = decimal(float(pairs.likeness[i]), 2)
        text = f"{name}: likeness {likeness}{', a near copy' if copy else ''}"
        figures.append(Couple(sheet, text, copy))
    return figures


def cells(findings: Sequence[Findings]) -> dict[str, NoteCell]:
    """Return a value and a note for each column, from the findings of one run or of several."""
    n_copies = n_synthetic = 0
    values: dict[str, list[float | None]] = {name: [] for name in AVERAGED}
    attacks: list[Membership] = []
    for row in findings:
        n_copies += row.n_copies
        n_synthetic += row.n_synthetic
        for name in AVERAGED:
            values[name].append(getattr(row, name))
        if row.membership is not None:
            attacks.append(row.membership)
    auc = mean([attack.auc for attack in attacks])
    low = mean([attack.low for attack in attacks])
    high = mean([attack.high for attack in attacks])
    return {
        "n_copies": (f"{n_copies:,}", f"of {n_synthetic:,}"),
        "close": (percent(mean(values["close"], scale=100)), "real: 1 %"),
        "nearness": (decimal(mean(values["nearness"]), 2), ""),
        "authenticity": (
            percent(mean(values["authenticity"])),
            f"real: {percent(mean(values['authenticity_held_out']))}",
        ),
        "copying": (decimal(mean(values["copying"]), 1), ""),
        "membership": (
            decimal(auc, 2),
            interval(low, high, lambda value: decimal(value, 2)),
        ),
    }


def mean(values: Sequence[float | None], scale: float = 1) -> float | None:
    """Return the mean of the values that are there, times `scale`; None where there are none."""
    present = [value for value in values if value is not None]
    return scale * float(np.mean(present)) if present else None


def percent(value: float | None) -> str:
    """Return 61 %, or a dash where there is no number."""
    return f"{value:.0f} %" if value is not None and known(value) else decimal(None)
