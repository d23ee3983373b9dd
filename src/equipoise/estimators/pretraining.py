"""Weights of a network's trunk that were learned without labels of the task, before its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sklearn.base import clone
from torch import Tensor, nn

from equipoise.arrays import Images, Labels
from equipoise.estimators.fit_request import Held
from equipoise.exceptions import DataError, WeightsError
from equipoise.networks.backbone import Backbone
from equipoise.training.loop import History


class Pretraining(Protocol):
    """What `ImageClassifier(pretraining=...)` takes; a `BaseEstimator`, so that a study can write it down."""

    def check_settings(self, network: str, side: int) -> None:
        """Refuse settings that cannot work for a network on images of that smaller side, before any is read."""

    def trunk(
        self, X: Images, y: Labels, *, network: str, validation: Held | None, workspace: Path | None
    ) -> Mapping[str, Tensor]:
        """Learn from real training images and give all tensors of the state dict of the network's trunk.

        The trunk is that of its record in `equipoise.networks.backbones.BACKBONES`, built for the
        channels and the side of `X`.
        """


@dataclass(frozen=True)
class Learned:
    """What a pretraining gave.

    Attributes:
        tensors: All of the trunk's state dict; None where nothing was learned.
        histories: What its fits recorded, by name.
    """

    tensors: Mapping[str, Tensor] | None = None
    histories: Mapping[str, History] = field(default_factory=dict)


def learn_trunk(
    pretraining: Pretraining | None, X: Images, y: Labels, *, network: str, validation: Held | None,
    workspace: Path | None,
) -> Learned:  # fmt: skip
    """Run a clone of a pretraining on real images.

    Raises:
        DataError: There is none.
    """
    if pretraining is None:
        return Learned()
    if len(X) == 0:
        raise DataError("Expected real training images to pretrain with, got synthetic ones only.")
    learner = clone(pretraining)
    tensors = learner.trunk(X, y, network=network, validation=validation, workspace=workspace)
    found = getattr(learner, "history_", {})
    histories = found if isinstance(found, Mapping) else {"": found}
    return Learned(
        tensors, {f"pretraining {name}".strip(): history for name, history in histories.items()}
    )


def load_trunk(backbone: Backbone, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into the trunk of a network, running statistics of batch norm included; the head stays.

    Raises:
        WeightsError: Not all tensors of the trunk, others too, or another shape.

    Source: methods 3.6.
    """
    trunk = backbone.trunk(network)
    own = trunk.state_dict()
    problems = {
        "missing": own.keys() - tensors.keys(),
        "unexpected": tensors.keys() - own.keys(),
        "of another shape": {
            key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape
        },
    }
    found = [
        f"{kind}: {', '.join(sorted(keys)[:5])} ({len(keys)})"
        for kind, keys in problems.items()
        if keys
    ]
    if found:
        raise WeightsError(
            f"The pretraining gave tensors that do not fit the trunk of the network. {'; '.join(found)}. "
            "Pretrain the same network on images of the same side and channels."
        )
    trunk.load_state_dict(dict(tensors))
