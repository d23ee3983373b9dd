"""Read a fitted oversampler, a curated one too."""

from pathlib import Path

from equipoise.curation import oversampler  # noqa: F401 (known to `load_oversampler` once it is imported)
from equipoise.resampling.base import Oversampler
from equipoise.resampling.loading import load_oversampler


def load_generator(folder: Path) -> Oversampler:
    """Read an oversampler; see `equipoise.resampling.loading.load_oversampler`."""
    return load_oversampler(folder)
