"""Readers of volumes: one module for each layout of files on disk."""

import sys

from equipoise.discovery import Family, modules

FAMILY = Family(
    name="volume_readers",
    summary="Readers of volumes: what `equipoise run --task segmentation` accepts.",
    members=lambda: modules(sys.modules[__name__]),
    line=lambda reader: f"{reader.CARD.summary}\nExample: {reader.CARD.example}",
)
