"""Tensors of a file that holds a whole pickled module instead of tensors by name.

torchxrayvision released its networks so. Loading such a file as Python does would run any code that
it names. Here torch's reader of tensors reads it (`weights_only=True`), and every class that the
file names is replaced by `StoredObject`, which keeps attributes and does nothing: no class is
looked up or imported. Files of torch before 1.6 are refused by that reader.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equipoise.networks.weights import State

MOST_CLASSES = 100
_UNKNOWN = re.compile(r"GLOBAL ([\w.]+) was not an allowed global")


class StoredObject:
    """Takes the place of any object in a file: keeps its attributes and does nothing."""

    def __new__(cls, *_arguments: object) -> "StoredObject":
        """Ignore the arguments of the object's constructor."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Keep attributes; other states are ignored."""
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_stored_module(path: Path) -> State:
    """Read the parameters and buffers of a pickled module by name, as its `state_dict` has them.

    Raises:
        UnpicklingError: The file is no such module, or wants something that is refused.
        TypeError: It contains something else.
    """
    names: list[str] = []
    while True:
        stand_ins = [(StoredObject, name) for name in names]
        try:
            with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
                stored = torch.load(path, map_location="cpu", weights_only=True)
            break
        except pickle.UnpicklingError as error:
            unknown = _UNKNOWN.search(str(error))
            if unknown is None or unknown[1] in names or len(names) == MOST_CLASSES:
                raise
            names.append(unknown[1])
    if not isinstance(stored, StoredObject):
        raise TypeError("expected a pickled module")
    return _tensors_of(stored, "")


def _tensors_of(module: Any, prefix: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for kind in ("_parameters", "_buffers"):
        for name, value in vars(module).get(kind, {}).items():
            if isinstance(value, Tensor):
                tensors[prefix + name] = value.detach()
    for name, child in vars(module).get("_modules", {}).items():
        if isinstance(child, StoredObject):
            tensors.update(_tensors_of(child, f"{prefix}{name}."))
    return tensors
