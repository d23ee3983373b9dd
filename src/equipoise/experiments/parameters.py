"""The settings of a method as JSON, and what differs between two of them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from equipoise.exceptions import SettingError

SEED = "seed"  # every step's parameter of this name is set by the cell


def steps_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """List the steps of a method: name, class and every parameter, as JSON values."""
    steps = []
    for name, step in pipeline.steps:
        steps.append({"name": name, "class": _name_of(type(step)), "settings": parameters(step)})
    return steps


def parameters(step: BaseEstimator) -> dict[str, Any]:
    """Give every parameter of one step, as JSON values."""
    return {key: as_json(value) for key, value in step.get_params(deep=False).items()}


def seeded(pipeline: Pipeline, seed: int) -> Pipeline:
    """Clone a method with every seed in it, nested ones too, set to `seed`."""
    copy = clone(pipeline)
    return copy.set_params(
        **{key: seed for key in copy.get_params() if key.split("__")[-1] == SEED}
    )


def as_json(value: Any) -> Any:
    """Turn a parameter into a JSON value that is equal exactly when the parameter is.

    Raises:
        SettingError: A lambda, a nested function, or an object that has no parameters to look at.
    """
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [as_json(item) for item in value]
    return _object(value)


def _object(value: Any) -> Any:
    if isinstance(value, partial):
        return {
            "function": _name_of(value.func),
            "arguments": as_json(value.args),
            **as_json(value.keywords),
        }
    if isinstance(value, BaseEstimator):
        return {"class": _name_of(type(value)), **as_json(value.get_params(deep=False))}
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"class": _name_of(type(value)), **values}
    return _name_of(value)


def _name_of(value: Any) -> str:
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '<no name>')}"
    if "<" in name:
        raise SettingError(
            f"Expected settings that can be written down and compared with a stored run, got {value!r}. "
            "Define functions at the top of a module, and give objects as dataclasses or estimators."
        )
    return name


def differences(stored: Any, asked: Any, *, at: str = "") -> Iterator[str]:
    """Say where two JSON values differ, one line for each place."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted(stored.keys() | asked.keys()):
            yield from differences(
                stored.get(key), asked.get(key), at=f"{at}, {key}" if at else key
            )
    elif isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        for i, (a, b) in enumerate(zip(stored, asked, strict=True)):
            name = a.get("name", i) if isinstance(a, dict) else i
            yield from differences(a, b, at=f"{at}, {name}")
    elif stored != asked:
        yield f"{at}: stored {stored!r}, asked {asked!r}"
