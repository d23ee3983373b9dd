"""Checks of an estimator's settings, before any work is done."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.networks.backbones import NETWORKS, check_side
from equipoise.networks.weights import check_source
from equipoise.training.augmentation import AUGMENTATIONS
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.devices import PRECISIONS, resolve_device
from equipoise.training.optimizers import OPTIMIZERS, SCHEDULES

KEEP = {"balanced_accuracy": True, "auroc": True, "loss": False, "last": False}  # name -> higher is better
CHOICES: dict[str, Mapping[str, object]] = {
    "network": NETWORKS,
    "loss": LOSSES,
    "batch_sampler": BATCH_SAMPLERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
    "precision": PRECISIONS,
    "keep_best": KEEP,
}


def check_classifier_settings(settings: Mapping[str, Any], side: int) -> None:
    """Refuse parameters of `ImageClassifier` that cannot work on images whose smaller side is `side` pixels.

    Raises:
        SettingError: A name is unknown, or a number out of range.
        DataError: The images are too small for any network.
        WeightsError: The file of pretrained weights does not exist.
    """
    for name, table in CHOICES.items():
        pick(table, settings[name], "value for keep_best" if name == "keep_best" else name.replace("_", " "))
    check_side(side)
    resolve_device(settings["device"])
    if settings["pretrained"] is not None:
        check_source(settings["network"], settings["pretrained"])
    _check_numbers(settings)


def _check_numbers(settings: Mapping[str, Any]) -> None:
    check_whole(settings, n_steps=1, batch_size=2, evaluate_every=1)
    if settings["patience"] is not None:
        check_whole(settings, patience=1)
        if settings["keep_best"] == "last":
            raise SettingError("Expected no patience with keep_best='last', which judges nothing. Name a metric.")
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if not rate > 0 or not decay >= 0:
        raise SettingError(
            f"Expected a positive learning_rate and a weight_decay of at least 0, got {rate} and {decay}."
        )


def check_whole(settings: Mapping[str, Any], **minima: int) -> None:
    """Refuse settings that are not whole numbers of at least their minimum.

    Raises:
        SettingError: Names the setting and what it must be.
    """
    for name, low in minima.items():
        value = settings[name]
        if not (isinstance(value, int | np.integer) and value >= low):
            raise SettingError(f"Expected {name} as a whole number of at least {low}, got {value!r}.")
