"""Synthetic images, selected or dosed before a classifier is trained on them."""

from .dosed import DosedOversampler
from .filters import FILTERS, Filter
from .oversampler import CuratedOversampler
from .selection import SelectionSettings

__all__ = [
    "FILTERS",
    "CuratedOversampler",
    "DosedOversampler",
    "Filter",
    "SelectionSettings",
]
