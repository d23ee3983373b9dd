from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from equipoise.exceptions import SettingError
from equipoise.experiments.parameters import as_json, describe_steps, seeded
from equipoise.randomness import RandomState, Seeded


@dataclass
class Penalty:
    weight: float


class Nested(Seeded, BaseEstimator):
    def __init__(self, inner: Any = None, random_state: RandomState = 0) -> None:
        self.inner = inner
        self.random_state = random_state


class Foreign(BaseEstimator):
    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.arange(2), [0, 1]),
        (Path("a/b"), "a/b"),
        ({1: (2, None)}, {"1": [2, None]}),
        (range(2), [0, 1]),
        (Counter, "collections.Counter"),
        (partial(Counter, a=1), {"function": "collections.Counter", "arguments": [], "a": 1}),
    ],
)
def test_parameters_become_json(value: Any, expected: Any) -> None:
    assert as_json(value) == expected


def test_objects_become_their_class_and_fields() -> None:
    assert as_json(Penalty(2.0)) == {"class": f"{__name__}.Penalty", "weight": 2.0}
    assert as_json(Nested(Nested()))["inner"] == {
        "class": f"{__name__}.Nested",
        "inner": None,
        "seed": 0,
    }


@pytest.mark.parametrize("value", [lambda: 0, object(), Counter().items()])
def test_what_cannot_be_compared_is_refused(value: Any) -> None:
    with pytest.raises(SettingError, match="top of a module"):
        as_json(value)


def test_every_seed_is_set_and_the_original_stays() -> None:
    method = Pipeline([("a", Nested(Nested())), ("b", Nested())])
    copy = seeded(method, 7)
    first, second = (dict(step.settings) for step in describe_steps(copy))
    assert (first["seed"], second["seed"]) == (7, 7)
    assert copy.get_params()["a__inner__random_state"] == 7
    assert describe_steps(method)[0].settings["seed"] == 0
    assert "seed" not in describe_steps(method, seeds=False)[0].settings


def test_estimators_of_others_get_seeds_that_they_can_use() -> None:
    seed = 2**62 + 5
    copy = seeded(Pipeline([("a", Nested(Foreign())), ("b", Foreign())]), seed)
    assert copy.get_params()["a__random_state"] == seed
    for name in ("a__inner__random_state", "b__random_state"):
        assert check_random_state(copy.get_params()[name])
        assert copy.get_params()[name] == 5
