"""Read a fitted oversampler of any class from the folder that its `save` wrote."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equipoise.atomic import read_json
from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.resampling.base import Oversampler

OVERSAMPLERS = {  # class -> its module, imported only when a folder names the class
    "BAGANOversampler": "equipoise.resampling.bagan.oversampler",
    "CuratedOversampler": "equipoise.curation.oversampler",
    "DiffusionOversampler": "equipoise.resampling.diffusion.oversampler",
    "GANOversampler": "equipoise.resampling.gan.oversampler",
    "SMOTEOversampler": "equipoise.resampling.smote",
    "VAEOversampler": "equipoise.resampling.vae.oversampler",
}


def load_oversampler(folder: str | Path) -> Oversampler:
    """Read the fitted oversampler of a folder, which names its class.

    Classes of other packages are recognized once they have been imported: a name in a file never imports anything
    but the modules of `OVERSAMPLERS`.

    Raises:
        DataError: The folder contains no oversampler, or a damaged one.
        SettingError: The class is unknown.
    """
    folder = Path(folder)
    name = _class_name(folder)
    oversampler = pick({**_third_party_oversamplers(), **OVERSAMPLERS}, name, "oversampler")
    if isinstance(oversampler, str):
        oversampler = getattr(importlib.import_module(oversampler), name)
    loaded: Oversampler = oversampler.load(folder)
    return loaded


def _class_name(folder: Path) -> str:
    path = folder / "model.json"
    if not path.is_file():
        raise DataError(f"Expected a saved generator in {folder}, found no model.json.")
    try:
        stored: Any = read_json(path)
        return str(stored["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"Cannot read the saved generator {path}: {error!r}. Train its cell again."
        ) from error


def _third_party_oversamplers() -> dict[str, Any]:
    subclasses = _concrete(Oversampler)  # type: ignore[type-abstract]  # nothing is instantiated
    return {subclass.__name__: subclass for subclass in subclasses}


def _concrete(parent: type[Oversampler]) -> Iterator[type[Oversampler]]:
    for child in parent.__subclasses__():
        yield from _concrete(child)
        if not inspect.isabstract(child):
            yield child
