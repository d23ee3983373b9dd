"""How the classifier of every method is built: one row for each regime of training."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Union

from equipoise.discovery import Family, pick
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import (
    CHECKPOINTS,
    FINETUNE,
    FROZEN,
    HEAD_CHECKPOINTS,
    SCRATCH,
    Budget,
    chosen_precision,
)
from equipoise.resampling.base import Params

if TYPE_CHECKING:
    from equipoise.estimators.classifier import ImageClassifier
    from equipoise.estimators.frozen.classifier import FrozenClassifier

RegimeClassifier = Union["ImageClassifier", "FrozenClassifier"]

# Settings of a method's classifier -> why they make no sense on features that are computed once.
NOT_FROZEN = {
    "mixing": "it blends the pixels of new pairs of images at every step",
    "pretraining": "it learns weights of a network whose weights stay as they are",
}

# The same for a pretrained network whose layers are all trained further.
NOT_FINETUNED = {"pretraining": "the layers that it would train have pretrained weights already"}
NONSENSE: Mapping[str, Mapping[str, str]] = {FROZEN: NOT_FROZEN, FINETUNE: NOT_FINETUNED}

# Settings of a finetuned classifier; what changes of them do: `studies.finetune_settings`.
FINETUNED: Params = {"layer_decay": 0.4, "head_warmup": 0.1, "batch_norm": "live"}


def scratch(budget: Budget, settings: Params) -> "ImageClassifier":
    """All layers are trained, from random or pretrained weights."""
    from equipoise.estimators.classifier import ImageClassifier
    from equipoise.networks.backbones import find_backbone

    backbone = find_backbone(budget.network)
    of_the_budget: Params = {
        "network": budget.network,
        "pretrained": budget.pretrained,
        "n_steps": budget.n_steps,
        "batch_size": budget.batch_size,
        "learning_rate": budget.learning_rate,
        "augmentation": budget.augmentation,
        "precision": chosen_precision(
            budget.precision, budget.device, suits_bfloat16=backbone.bfloat16
        ),
        "keep_best": pick(CHECKPOINTS, budget.checkpoint, "checkpoint policy"),
        "device": budget.device,
    }
    return ImageClassifier(**(of_the_budget | settings))


def frozen(budget: Budget, settings: Params) -> "FrozenClassifier":
    """A head is trained on features of a pretrained network, computed once per image and view."""
    from equipoise.estimators.frozen.classifier import FrozenClassifier

    of_the_budget: Params = {
        "network": budget.network,
        "pretrained": budget.pretrained,
        "augmentation": budget.augmentation,
        "n_views": budget.views,
        "head": budget.head,
        "keep_best": pick(HEAD_CHECKPOINTS, budget.checkpoint, "checkpoint policy"),
        "device": budget.device,
    }
    return FrozenClassifier(**(of_the_budget | settings))


def finetune(budget: Budget, settings: Params) -> "ImageClassifier":
    """All layers of a pretrained network are trained: the head first, the lower layers slowly."""
    from equipoise.networks.backbones import find_backbone

    backbone = find_backbone(budget.network)
    can_be_pretrained = bool(backbone.weights) or backbone.own_file is not None
    if budget.pretrained is None or not can_be_pretrained:
        weights = "none" if budget.pretrained is None else f"'{budget.pretrained}'"
        raise SettingError(
            f"Expected a network with pretrained weights for regime '{FINETUNE}', got network "
            f"'{budget.network}' and pretrained {weights}. Pass network (--network) as "
            "mobilenet_v2 or another of `equipoise weights list` and pretrained (--pretrained) as "
            f"'official' or a file, or use regime '{SCRATCH}'."
        )
    return scratch(budget, {**FINETUNED, **settings})


REGIMES: Mapping[str, Callable[[Budget, Params], RegimeClassifier]] = {
    SCRATCH: scratch,
    FROZEN: frozen,
    FINETUNE: finetune,
}
FAMILY = Family(
    name="regimes",
    summary="What of a classifier is trained: --regime.",
    members=REGIMES,
)


def make_classifier(method: str, budget: Budget, settings: Params) -> RegimeClassifier:
    """Build the classifier of a method in the regime of a budget.

    Args:
        method: Its name, for the message.
        budget: Regime, network and so on.
        settings: What the method changes of the classifier.

    Raises:
        SettingError: No such regime, or one in which the method makes no sense.
    """
    build = pick(REGIMES, budget.regime, "regime")
    check_frozen_options(budget)
    reason = refusal(budget, settings)
    if reason:
        raise SettingError(
            f"Expected a method for regime '{budget.regime}', got '{method}': {reason}. Leave it "
            f"out, or use regime '{SCRATCH}'."
        )
    return build(budget, settings)


def check_frozen_options(budget: Budget) -> None:
    """Raise where a budget has what only the regime `frozen` reads.

    Raises:
        SettingError: It has.
    """
    if budget.regime == FROZEN:
        return
    default = Budget()
    for ours, plain, name in (
        (budget.network, budget.first_network, "several networks (network, --network)"),
        (budget.views, default.views, "views (--views)"),
        (budget.head, default.head, "a head (--head)"),
    ):
        if ours != plain:
            raise SettingError(
                f"Expected {name} only with regime '{FROZEN}' (--regime frozen), got {ours} with "
                f"regime '{budget.regime}'. Leave out what only frozen features have, or use "
                f"regime '{FROZEN}'."
            )


def refusal(budget: Budget, settings: Params) -> str:
    """Return why settings of a classifier make no sense in the regime of a budget, or ""."""
    cosines = budget.regime == FROZEN and budget.head == "cosine"
    if cosines and settings.get("second_stage") == "tau_norm":
        return "the weights of cosines (--head cosine) have one norm already"
    for name, reason in NONSENSE.get(budget.regime, {}).items():
        if name in settings:
            return reason
    return ""
