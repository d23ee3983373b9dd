"""The typed records of settings have the parameters of their estimators."""

from dataclasses import fields
from inspect import signature
from typing import Any

import pytest

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.segmenter import Segmenter
from equipoise.estimators.segmenter_settings import SegmenterSettings
from equipoise.estimators.settings import ClassifierSettings
from equipoise.randomness import RANDOM_STATE, SEED, stored_settings


@pytest.mark.parametrize(
    ("record", "estimator"),
    [(ClassifierSettings, ImageClassifier), (SegmenterSettings, Segmenter)],
)
def test_settings_are_the_parameters_of_the_estimator(record: Any, estimator: Any) -> None:
    parameters = dict(signature(estimator).parameters)
    del parameters[RANDOM_STATE]
    assert {field.name for field in fields(record)} == {*parameters, SEED}
    for field in fields(record):
        if field.name != SEED:
            assert field.type == parameters[field.name].annotation, field.name
    fitted = stored_settings(estimator(random_state=3).get_params(deep=False))
    assert record(**fitted) == estimator(random_state=3).settings
