import math
from typing import Any

import numpy as np
import pytest

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.presets import PRESETS
from equipoise.networks.backbones import find_backbone
from equipoise.training.batches import Pool, natural


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_classifier(name: str) -> None:
    settings: dict[str, Any] = PRESETS[name].settings_for(1000)
    classifier = ImageClassifier(**settings)
    assert {key: classifier.get_params()[key] for key in settings} == settings
    weights = settings.get("pretrained")
    assert weights is None or weights in find_backbone(classifier.network).weights
    classifier.set_params(pretrained=None).check_settings(64)  # official files are not downloaded


# of the papers: network, optimizer, learning rate, weight decay, epochs, patience
AS_PRINTED: dict[str, tuple[Any, ...]] = {
    "s0_densenet": ("densenet121_s0", "adam", 1e-5, 0.0, 20, None),
    "s1_densenet": ("densenet121", "adam", 1e-3, 0.0, 30, 10),
    "s2_resnet18": ("resnet18", "adam", 4e-3, 0.0, 5, None),
    "s2_resnet18_clean": ("resnet18", "adam", 3e-4, 0.0, 30, None),
    "s4_cnn": ("small_cnn", "adam", 1e-3, 0.0, 50, 10),
    "strong": ("resnet18", "sgd", 0.05, 5e-4, 60, None),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_as_printed(name: str) -> None:
    settings: dict[str, Any] = PRESETS[name].settings_for(100)
    c = ImageClassifier(**settings)
    epochs = c.n_steps / 4  # 100 images, batches of 32
    printed = (c.network, c.optimizer, c.learning_rate, c.weight_decay, epochs, c.patience)
    assert printed == AS_PRINTED[name]
    assert c.batch_size == 32


@pytest.mark.parametrize("n", [31, 32, 33, 1727])
def test_an_epoch_shows_every_image(n: int) -> None:
    settings: dict[str, Any] = PRESETS["s4_cnn"].settings_for(n)
    assert settings["evaluate_every"] == math.ceil(n / 32)
    assert settings["n_steps"] == 50 * settings["evaluate_every"]
    rows = natural(Pool(labels=range(n), batch_size=32, n_steps=1, seed=0))  # type: ignore[arg-type]
    batches = [rows(step) for step in range(settings["evaluate_every"])]
    assert set(np.concatenate(batches).tolist()) == set(range(n))
