"""Checks of an estimator's settings, before any work is done."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.discovery import pick
from equipoise.estimators.first_stage import KEEP
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.networks.backbones import BACKBONES
from equipoise.training.augmentation import AUGMENTATIONS
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.devices import PRECISIONS, resolve_device
from equipoise.training.mixing import MIXINGS
from equipoise.training.optimizers import OPTIMIZERS, SCHEDULES

CHOICES: dict[str, Mapping[str, object]] = {
    "network": BACKBONES,
    "loss": LOSSES,
    "batch_sampler": BATCH_SAMPLERS,
    "mixing": MIXINGS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
    "precision": PRECISIONS,
    "keep_best": KEEP,
    "second_stage": SECOND_STAGES,
}


def check_classifier_settings(settings: Mapping[str, Any], side: int) -> None:
    """Refuse parameters of `ImageClassifier` that cannot work on images whose smaller side is `side` pixels.

    Raises:
        SettingError: A name is unknown, or a number out of range.
        DataError: The images are too small for any network.
        WeightsError: The file of pretrained weights does not exist.
    """
    for name, table in CHOICES.items():
        pick(
            table,
            settings[name],
            "value for keep_best" if name == "keep_best" else name.replace("_", " "),
        )
    backbone = BACKBONES[settings["network"]]
    backbone.check_side(side)
    resolve_device(settings["device"])
    if settings["pretrained"] is not None:
        backbone.check_weights(settings["pretrained"])
    _check_numbers(settings)
    _check_synthetic(settings)
    _check_stages(settings, side)


def _check_numbers(settings: Mapping[str, Any]) -> None:
    check_whole(settings, n_steps=1, batch_size=2, evaluate_every=1)
    if settings["patience"] is not None:
        check_whole(settings, patience=1)
        if settings["keep_best"] == "last":
            raise SettingError(
                "Expected no patience with keep_best='last', which judges nothing. Name a metric."
            )
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if not rate > 0 or not decay >= 0:
        raise SettingError(
            f"Expected a positive learning_rate and a weight_decay of at least 0, got {rate} and {decay}."
        )


def _check_synthetic(settings: Mapping[str, Any]) -> None:
    share, weight = settings["synthetic_share"], settings["synthetic_weight"]
    if not 0 <= weight < np.inf:
        raise SettingError(f"Expected a synthetic_weight of at least 0, got {weight}.")
    if share is not None and not 0 < share < 1:
        raise SettingError(f"Expected a synthetic_share between 0 and 1, or None, got {share}.")
    if share is not None and settings["batch_sampler"] != "synthetic_mix":
        raise SettingError(
            f"Expected batch_sampler='synthetic_mix' with synthetic_share={share}; no other heeds it."
        )


def _check_stages(settings: Mapping[str, Any], side: int) -> None:
    if settings["second_stage_steps"] is not None:
        check_whole(settings, second_stage_steps=1)
    if settings["second_stage"] == "tau_norm" and LOSSES[settings["loss"]].head != "linear":
        raise SettingError(
            f"Expected a loss with a linear last layer for second_stage='tau_norm', got '{settings['loss']}', "
            "whose weights have one length already. Use second_stage='crt'."
        )
    if (learner := settings["pretraining"]) is None:
        return
    if not callable(getattr(learner, "trunk", None)):
        raise SettingError(
            f"Expected pretraining as an estimator with a method `trunk`, got {learner!r}."
        )
    if settings["pretrained"] is not None:
        raise SettingError(
            "Expected pretrained or pretraining, got both: the one would undo the other."
        )
    learner.check_settings(settings["network"], side)


def check_whole(settings: Mapping[str, Any], **minima: int) -> None:
    """Refuse settings that are not whole numbers of at least their minimum.

    Raises:
        SettingError: Names the setting and what it must be.
    """
    for name, low in minima.items():
        value = settings[name]
        if not (isinstance(value, int | np.integer) and value >= low):
            raise SettingError(
                f"Expected {name} as a whole number of at least {low}, got {value!r}."
            )
