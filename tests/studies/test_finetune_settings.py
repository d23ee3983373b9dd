"""The trials of the settings of finetuning can be trained: each changes the defaults."""

import pytest
from studies.finetune_settings import CHANGES, SETS
from studies.regimes import TASKS
from tests.fixtures.pretrained import TINY

from equipoise.estimators.classifier import ImageClassifier
from equipoise.experiments.methods.regimes import FINETUNED


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_possible_and_one(change: str, tiny_weights: str) -> None:
    plain = ImageClassifier(network=TINY, pretrained=tiny_weights).set_params(**FINETUNED)
    changed = ImageClassifier(**{**plain.get_params(deep=False), **CHANGES[change]})
    changed.check_settings(128)
    assert (changed.settings != plain.settings) == bool(CHANGES[change])
    assert {*SETS} <= {*TASKS}
