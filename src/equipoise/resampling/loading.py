"""Read a fitted oversampler of any class from the folder that its `save` wrote."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equipoise.resampling
from equipoise.atomic import read_json
from equipoise.discovery import modules, pick
from equipoise.exceptions import DataError
from equipoise.resampling.base import Oversampler


def load_oversampler(folder: Path) -> Oversampler:
    """Read an oversampler; its class is named in the folder.

    Known are the classes of `equipoise.resampling` and those of modules that are imported already: a name in a
    file never makes this import anything.

    Raises:
        DataError: The folder holds none, or a damaged one.
        SettingError: It holds one of a class that is not known here.
    """
    folder = Path(folder)
    return pick(_classes(), _kind(folder), "oversampler").load(folder)


def _kind(folder: Path) -> str:
    path = folder / "model.json"
    if not path.is_file():
        raise DataError(f"Expected a saved generator in {folder}, found no model.json.")
    try:
        stored: Any = read_json(path)
        return str(stored["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"Cannot read the saved generator {path}: {error!r}. Train its cell again.") from error


def _classes() -> dict[str, type[Oversampler]]:
    modules(equipoise.resampling)  # imports them
    found = _concrete(Oversampler)  # type: ignore[type-abstract]  # nothing is made of it
    known = sorted(found, key=lambda one: one.__module__.startswith("equipoise."))  # ours win
    return {one.__name__: one for one in known}


def _concrete(parent: type[Oversampler]) -> Iterator[type[Oversampler]]:
    for child in parent.__subclasses__():
        yield from _concrete(child)
        if not inspect.isabstract(child):
            yield child
