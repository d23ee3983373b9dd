"""The typed records of settings have the parameters of their estimators."""

from dataclasses import fields
from inspect import signature
from typing import Any

import pytest

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.segmenter import Segmenter
from equipoise.estimators.segmenter_settings import SegmenterSettings
from equipoise.estimators.settings import ClassifierSettings


@pytest.mark.parametrize(
    ("record", "estimator"),
    [(ClassifierSettings, ImageClassifier), (SegmenterSettings, Segmenter)],
)
def test_settings_are_the_parameters_of_the_estimator(record: Any, estimator: Any) -> None:
    parameters = signature(estimator).parameters
    assert {field.name for field in fields(record)} == {*parameters}
    for field in fields(record):
        assert field.type == parameters[field.name].annotation, field.name
    assert record(**estimator().get_params(deep=False)) == estimator().settings
