"""Checks of a segmenter's settings, before any work is done."""

from collections.abc import Mapping
from typing import Any

import torch

from equipoise.discovery import pick
from equipoise.estimators.settings import check_whole
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.losses.regions import REGION_LOSSES, pick_loss
from equipoise.networks.patch_networks import CENTER_CNN_VALID, PATCH_NETWORKS, UNET, PatchNetwork
from equipoise.training.devices import PRECISIONS, resolve_device

MODES = {
    "center": CENTER_CNN_VALID,
    "dense": UNET,
}  # mode -> the network it has where none is asked for
KEEP = {
    "mean_dice": True,
    "last": False,
}  # what the weights kept are the best in -> whether they are chosen


def patch_network(settings: Mapping[str, Any]) -> PatchNetwork:
    """Find the network of a segmenter.

    Raises:
        SettingError: No such mode or network, or they do not belong together.
    """
    usual = pick(MODES, settings["mode"], "mode")
    if settings["network"] is None:
        return usual
    kind = pick(PATCH_NETWORKS, settings["network"], "network")
    if kind.dense != usual.dense:
        fit = ", ".join(
            name for name, network in PATCH_NETWORKS.items() if network.dense == usual.dense
        )
        raise SettingError(
            f"Expected a network for mode='{settings['mode']}', got '{kind.name}'. Use one of: {fit}."
        )
    return kind


def jitter_of(settings: Mapping[str, Any]) -> int:
    """Give the pixels by which patches are moved at most."""
    if settings["jitter"] is not None:
        return int(settings["jitter"])
    return settings["patch_size"] // 4 if settings["mode"] == "dense" else 0


def check_segmenter_settings(settings: Mapping[str, Any]) -> None:
    """Refuse parameters of `Segmenter` that cannot work.

    Raises:
        SettingError: A name is unknown, a number out of range, or two settings contradict each other.
    """
    kind = patch_network(settings)
    check_whole(
        settings, width=1, patch_size=1, n_steps=1, epoch_steps=1, batch_size=2, evaluate_every=1
    )
    check_whole(settings, n_slices=1, stride=1)
    kind.check_size(settings["patch_size"])
    _check_loss(settings)
    pick(PRECISIONS, settings["precision"], "precision")
    pick(KEEP, settings["keep_best"], "value for keep_best")
    resolve_device(settings["device"])
    if not settings["learning_rate"] > 0:
        raise SettingError(f"Expected a positive learning_rate, got {settings['learning_rate']}.")
    if not all(
        callable(getattr(settings["patch_sampler"], name, None)) for name in ("start", "shares")
    ):
        raise SettingError(
            f"Expected patch_sampler as one of equipoise.estimators.patches, such as BalancedPatches(), got "
            f"{settings['patch_sampler']!r}. A segmenter that was loaded predicts only; make a new one to train."
        )
    _check_places(settings, kind)


def _check_places(settings: Mapping[str, Any], kind: PatchNetwork) -> None:
    if settings["jitter"] is not None:
        check_whole(settings, jitter=0)
        if settings["jitter"] and settings["mode"] == "center":
            raise SettingError(
                f"Expected jitter=0 with mode='center', got {settings['jitter']}: the label of a patch is that of "
                "its center pixel, which must be the one that was drawn."
            )
    if kind.slides and settings["stride"] % kind.stride:
        raise SettingError(
            f"Expected a stride that is a multiple of {kind.stride} for the network '{kind.name}', got "
            f"{settings['stride']}. The network 'center_cnn' takes any."
        )


def _check_loss(settings: Mapping[str, Any]) -> None:
    if settings["mode"] == "dense":
        pick_loss(settings["loss"], torch.ones(3))
    elif settings["loss"] in REGION_LOSSES:
        raise SettingError(
            f"Expected a loss of single pixels with mode='center', got '{settings['loss']}', which compares "
            "regions. Use mode='dense'."
        )
    else:
        pick(LOSSES, settings["loss"], "loss")
