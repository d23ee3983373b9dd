"""Read a fitted oversampler of any class from the folder that its `save` wrote."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipoise.discovery import pick
from equipoise.resampling.base import Oversampler
from equipoise.training.persistence import read_kind

OVERSAMPLERS = {  # class -> its module, imported only when a folder names the class
    "BAGANOversampler": "equipoise.resampling.bagan.oversampler",
    "CuratedOversampler": "equipoise.curation.oversampler",
    "DiffusionOversampler": "equipoise.resampling.diffusion.oversampler",
    "GANOversampler": "equipoise.resampling.gan.oversampler",
    "ResizedOversampler": "equipoise.resampling.resized",
    "SMOTEOversampler": "equipoise.resampling.smote",
    "VAEOversampler": "equipoise.resampling.vae.oversampler",
}


def load_oversampler(folder: str | Path) -> Oversampler:
    """Read the fitted oversampler of a folder, which names its class.

    Classes of other packages are recognized once they have been imported: a name in a file never
    imports anything but the modules of `OVERSAMPLERS`.

    Raises:
        DataError: The folder contains no oversampler, or a damaged one.
        SettingError: The class is unknown.
    """
    name = read_kind(Path(folder) / "model.json", "generator")
    table: dict[str, Any] = {}
    for subclass in _concrete(Oversampler):  # type: ignore[type-abstract]
        table[subclass.__name__] = subclass
    oversampler = pick({**table, **OVERSAMPLERS}, name, "oversampler")
    if isinstance(oversampler, str):
        oversampler = getattr(importlib.import_module(oversampler), name)
    loaded: Oversampler = oversampler.load(Path(folder))
    return loaded


def _concrete(parent: type[Oversampler]) -> Iterator[type[Oversampler]]:
    """Walk the subclasses that can be instantiated, also those of other packages."""
    for child in parent.__subclasses__():
        yield from _concrete(child)
        if not inspect.isabstract(child):
            yield child
