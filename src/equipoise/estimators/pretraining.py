"""Pretraining: weights of a network's trunk that are learned without labels before its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sklearn.base import clone
from torch import Tensor, nn

from equipoise.arrays import LabeledImages, Labels
from equipoise.exceptions import DataError, WeightsError
from equipoise.image_rows import ImageSource
from equipoise.networks.backbone import Backbone
from equipoise.training.loop import History


class Pretraining(Protocol):
    """What `ImageClassifier(pretraining=...)` accepts: a `BaseEstimator`, which a study can store.

    Attributes:
        history_: Training history of the last `trunk`.
    """

    history_: History

    def check_settings(self, network: str, side: int) -> None:
        """Raise unless the settings can work for a network on images of that smaller side in px."""

    def trunk(
        self,
        X: ImageSource,
        y: Labels,
        *,
        network: str,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> Mapping[str, Tensor]:
        """Train on real images and return the complete state dict of the network's trunk.

        The trunk is that of its record, see `equipoise.networks.backbones.find_backbone`, built for
        the channels and the side of `X`.
        """


@dataclass(frozen=True)
class PretrainedTrunk:
    """The result of a pretraining.

    Attributes:
        tensors: State dict of the trunk; None without pretraining.
        histories: Training histories, by name.
    """

    tensors: Mapping[str, Tensor] | None = None
    histories: Mapping[str, History] = field(default_factory=dict)


def pretrain_trunk(
    pretraining: Pretraining | None,
    X: ImageSource,
    y: Labels,
    *,
    network: str,
    validation: LabeledImages | None,
    workspace: Path | None,
) -> PretrainedTrunk:
    """Run a clone of a pretraining on real images.

    Raises:
        DataError: There is no image.
    """
    if pretraining is None:
        return PretrainedTrunk()
    if len(X) == 0:
        raise DataError("Expected real training images to pretrain with, got synthetic ones only.")
    learner: Pretraining = clone(pretraining)
    tensors = learner.trunk(X, y, network=network, validation=validation, workspace=workspace)
    return PretrainedTrunk(tensors, {"pretraining": learner.history_})


def load_trunk(backbone: Backbone, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy a state dict into the trunk of a network, with running statistics; the head stays.

    Raises:
        WeightsError: Tensors of the trunk are missing, unexpected, or of another shape.
    """
    trunk = backbone.trunk(network)
    state = trunk.state_dict()
    other_shape = []
    for name in state.keys() & tensors.keys():
        if state[name].shape != tensors[name].shape:
            other_shape.append(name)
    problems = []
    for kind, names in (
        ("missing", state.keys() - tensors.keys()),
        ("unexpected", tensors.keys() - state.keys()),
        ("of another shape", other_shape),
    ):
        if names:
            problems.append(f"{kind}: {', '.join(sorted(names)[:5])} ({len(names)})")
    if problems:
        raise WeightsError(
            "Expected tensors of a pretraining that fit the trunk of the network, got "
            f"{'; '.join(problems)}. Pretrain the same network on images of the same side and "
            "channels."
        )
    trunk.load_state_dict(dict(tensors))
