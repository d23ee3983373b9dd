import math
from typing import Any

import pytest

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.presets import PRESETS
from equipoise.training.batches import Pool, natural


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_classifier(name: str) -> None:
    settings = PRESETS[name].settings_for(1000)
    classifier = ImageClassifier(**settings)
    classifier.check_settings(64)
    assert {key: classifier.get_params()[key] for key in settings} == settings


AS_PRINTED: dict[
    str, tuple[Any, ...]
] = {  # methods 5 and appendix B: network, optimizer, rate, weight decay, epochs, patience
    "s0_densenet": ("densenet121_s0", "adam", 1e-5, 0.0, 20, None),
    "s1_densenet": ("densenet121", "adam", 1e-3, 0.0, 30, 10),
    "s2_resnet18": ("resnet18", "adam", 4e-3, 0.0, 5, None),
    "s2_resnet18_clean": ("resnet18", "adam", 3e-4, 0.0, 30, None),
    "s4_cnn": ("small_cnn", "adam", 1e-3, 0.0, 50, 10),
    "strong": ("resnet18", "sgd", 0.05, 5e-4, 60, None),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_as_printed(name: str) -> None:
    made = ImageClassifier(**PRESETS[name].settings_for(100))
    epochs = made.n_steps / 4  # 100 images, 32 in a batch
    found = (
        made.network,
        made.optimizer,
        made.learning_rate,
        made.weight_decay,
        epochs,
        made.patience,
    )
    assert found == AS_PRINTED[name]
    assert made.batch_size == 32


@pytest.mark.parametrize("n", [31, 32, 33, 1727])
def test_an_epoch_is_as_many_steps_as_show_every_image(n: int) -> None:
    settings = PRESETS["s4_cnn"].settings_for(n)
    assert settings["evaluate_every"] == math.ceil(
        n / 32
    )  # methods A.1(9): T = epochs ceil(n / batch)
    assert settings["n_steps"] == 50 * settings["evaluate_every"]
    rows = natural(Pool(labels=range(n), batch_size=32, n_steps=1, seed=0))  # type: ignore[arg-type]
    assert set(range(n)) == {
        row for step in range(settings["evaluate_every"]) for row in rows(step).tolist()
    }
