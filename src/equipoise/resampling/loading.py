"""Read a fitted oversampler of any class from the folder that its `save` wrote."""

from pathlib import Path

import equipoise.resampling
from equipoise.atomic import read_json
from equipoise.discovery import modules, pick
from equipoise.exceptions import DataError
from equipoise.resampling.base import Oversampler


def load_oversampler(folder: Path) -> Oversampler:
    """Read an oversampler; its class is named in the folder.

    Raises:
        DataError: The folder holds none.
        SettingError: It holds one of a class that this version does not have.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        raise DataError(f"Expected a saved generator in {folder}, found no model.json.")
    return pick(_classes(), read_json(path)["kind"], "oversampler").load(Path(folder))


def _classes() -> dict[str, type[Oversampler]]:
    members = [vars(module) for module in modules(equipoise.resampling).values()]
    return {
        item.__name__: item
        for names in members
        for item in names.values()
        if isinstance(item, type) and issubclass(item, Oversampler)
    }
