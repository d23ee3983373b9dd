"""The settings that all classifiers of images have, and the checks that need no data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.training.devices import resolve_device

AVERAGED, LAST = "averaged", "last"
KEEP_BEST = {  # what chooses the weights -> whether higher is better, where it is a metric
    "balanced_accuracy": True,
    "accuracy": True,
    "auroc": True,
    "loss": False,
    AVERAGED: True,
    LAST: True,
}


@dataclass(frozen=True, kw_only=True)
class SharedSettings:
    """Parameters of `ImageClassifier` and `FrozenClassifier`, which describe them."""

    pretrained: str | Path | None
    loss: str
    batch_sampler: str
    synthetic_share: float | None
    synthetic_weight: float
    weight_decay: float
    augmentation: str
    keep_best: str
    second_stage: str
    device: str
    seed: int

    @property
    def chosen_on_validation(self) -> bool:
        """Whether a metric of the validation images chooses what is kept."""
        return self.keep_best not in (AVERAGED, LAST)

    def check_shared(
        self, *, samplers: Mapping[str, object], augmentations: Mapping[str, object]
    ) -> None:
        """Raise unless these parameters can work.

        The second stage is checked by `second_stage.check_second_stage`.

        Args:
            samplers: What `batch_sampler` may be.
            augmentations: What `augmentation` may be.

        Raises:
            SettingError: A name is unknown, or a number out of range.
        """
        for kind, table, name in (
            ("loss", LOSSES, self.loss),
            ("batch sampler", samplers, self.batch_sampler),
            ("augmentation", augmentations, self.augmentation),
            ("value for keep_best", KEEP_BEST, self.keep_best),
        ):
            pick(table, name, kind)
        resolve_device(self.device)
        share = self.synthetic_share
        if not self.weight_decay >= 0 or not 0 <= self.synthetic_weight < np.inf:
            raise SettingError(
                "Expected a weight_decay and a synthetic_weight of at least 0, got "
                f"{self.weight_decay} and {self.synthetic_weight}."
            )
        if share is not None and not 0 < share < 1:
            raise SettingError(f"Expected a synthetic_share between 0 and 1, or None, got {share}.")
        if share is not None and self.batch_sampler != "synthetic_mix":
            raise SettingError(
                f"Expected batch_sampler='synthetic_mix' with synthetic_share={share}, got "
                f"'{self.batch_sampler}', which ignores it."
            )
