"""Readers of images: one module for each layout of files on disk."""

import sys

from equipoise.discovery import Family, modules

FAMILY = Family(
    name="readers",
    summary="Readers of images: what `equipoise run` accepts.",
    members=lambda: modules(sys.modules[__name__]),
    line=lambda reader: f"{reader.CARD.summary}\nExample: {reader.CARD.example}",
)
