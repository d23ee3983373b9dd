"""The parameters of a method as JSON, and a method with its seeds set."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from equipoise.atomic import JsonValue
from equipoise.exceptions import SettingError
from equipoise.randomness import RANDOM_STATE, SEED, Seeded, stored_settings
from equipoise.runs.description import StepDescription

MOST_OF_NUMPY = 2**32  # seeds that a `RandomState` takes


@runtime_checkable
class StoresParameters(Protocol):
    """A step that decides which of its parameters are stored; the others have their defaults."""

    def stored_params(self) -> dict[str, Any]:
        """Return parameters by name."""


def describe_steps(pipeline: Pipeline, *, seeds: bool = True) -> tuple[StepDescription, ...]:
    """Describe the steps of a method: name, class and every parameter.

    Args:
        pipeline: The method.
        seeds: Whether to include the steps' own seeds, which each cell sets; those of nested
            estimators stay.

    Raises:
        SettingError: A parameter cannot be written as JSON.
    """
    steps = []
    for name, step in pipeline.steps:
        settings = parameters(step)
        if not seeds:
            settings.pop(SEED, None)
        class_name = _qualified_name(type(step))
        steps.append(StepDescription(name=name, class_name=class_name, settings=settings))
    return tuple(steps)


def parameters(step: BaseEstimator) -> dict[str, JsonValue]:
    """Return every parameter of one step as JSON values.

    Raises:
        SettingError: A parameter cannot be written as JSON.
    """
    if isinstance(step, StoresParameters):
        values = step.stored_params()
    else:
        values = step.get_params(deep=False)
    return {key: as_json(value) for key, value in stored_settings(values).items()}


def seeded(pipeline: Pipeline, seed: int) -> Pipeline:
    """Clone a method and set every `random_state` in it, nested ones too.

    What is not of this package gets a number that NumPy's older `RandomState` takes.
    """
    copy = clone(pipeline)
    seeds = {}
    for key in copy.get_params():
        *path, last = key.split("__")
        if last == RANDOM_STATE:
            owner = copy.get_params()["__".join(path)]
            seeds[key] = seed if isinstance(owner, Seeded) else seed % MOST_OF_NUMPY
    return copy.set_params(**seeds)


def as_json(value: Any) -> Any:
    """Return a parameter as a JSON value; two values are equal exactly when the parameters are.

    >>> as_json({"sizes": (2, 3), "file": Path("a.csv")})
    {'sizes': [2, 3], 'file': 'a.csv'}

    Raises:
        SettingError: A lambda, a nested function, or an object without parameters.
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
    return _object_as_json(value)


def _object_as_json(value: Any) -> Any:
    """Return a function, class or network by name, an object by its class and fields."""
    from equipoise.networks.backbone import Backbone  # takes torch
    from equipoise.networks.backbones import name_of

    if isinstance(value, Backbone):
        return name_of(value)
    if isinstance(value, partial):
        function = _qualified_name(value.func)
        return {"function": function, "arguments": as_json(value.args), **as_json(value.keywords)}
    if isinstance(value, BaseEstimator):
        settings = as_json(stored_settings(value.get_params(deep=False)))
        return {"class": _qualified_name(type(value)), **settings}
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"class": _qualified_name(type(value)), **values}
    return _qualified_name(value)


def _qualified_name(value: Any) -> str:
    module = getattr(value, "__module__", "")
    name = f"{module}.{getattr(value, '__qualname__', '<no name>')}"
    if "<" in name:
        raise SettingError(
            "Expected settings that can be stored as JSON and compared with a stored run, got "
            f"{value!r}. Define functions at the top of a module, and objects as dataclasses or "
            "estimators."
        )
    return name
