"""One reader for each way in which images lie on disk; a reader is found by its file name."""

import sys

from equipoise.discovery import Family, modules

FAMILY = Family(
    name="readers",
    summary="Readers of images: what `equipoise run` accepts.",
    members=lambda: modules(sys.modules[__name__]),
    line=lambda reader: f"{reader.CARD.summary}\nExample: {reader.CARD.example}",
)
