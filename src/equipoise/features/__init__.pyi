"""Images to feature vectors."""

from .base import Extractor, extract
from .choosing import choose_extractors, make_extractor
from .table import EXTRACTORS

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "choose_extractors",
    "extract",
    "make_extractor",
]
