"""The settings of a classifier on frozen features as a typed record, and their checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.discovery import pick
from equipoise.estimators.frozen.feature_network import (
    LAYERS,
    RANDOM,
    FeatureDescription,
    check_frozen_weights,
)
from equipoise.estimators.frozen.head import COSINE, COSINE_SCALE, FROZEN_HEADS
from equipoise.estimators.frozen.row_weights import ROW_WEIGHTS
from equipoise.estimators.frozen.views import VIEWS, View, views_of
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.estimators.shared_settings import SharedSettings
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.networks.backbones import find_backbone
from equipoise.training.devices import resolve_device
from equipoise.validation import check_whole

SMALLEST = 128  # px; smaller images are enlarged to it


@dataclass(frozen=True, kw_only=True)
class FrozenSettings(SharedSettings):
    """The parameters of `FrozenClassifier`, which describes them, as its fit reads them."""

    network: str
    layers: Sequence[str]
    side: int | None
    n_views: int
    head: str

    @property
    def head_kind(self) -> str:
        """The head: `head`, but a loss that is meant for cosines has them."""
        return COSINE if LOSSES[self.loss].head == COSINE else self.head

    @property
    def head_scale(self) -> float:
        """Factor of the logits: that of cosines, where the loss has none of its own."""
        scaled_by_loss = LOSSES[self.loss].head == COSINE
        return COSINE_SCALE if self.head == COSINE and not scaled_by_loss else 1.0

    @property
    def views(self) -> tuple[View, ...]:
        """The views of every image, in training and in prediction."""
        return views_of(self.augmentation, self.n_views)

    def features(self, side: int) -> FeatureDescription:
        """Describe the features of images whose smaller side is `side` px.

        Images keep their size from `SMALLEST` px on; smaller ones are enlarged to it, because a
        pretrained network sees little in them. Untrained networks see images as they are.
        """
        target = self.side
        if target is None and self.pretrained != RANDOM and side < SMALLEST:
            target = SMALLEST
        return FeatureDescription(
            network=self.network,
            pretrained=str(self.pretrained),
            layers=tuple(self.layers),
            side=target,
            device=str(resolve_device(self.device)),
        )

    def check(self, side: int) -> None:
        """Raise unless these settings can work on images whose smaller side is `side` px.

        Raises:
            SettingError: A name is unknown, or a number out of range.
            DataError: The images are too small for the network.
            WeightsError: The file of pretrained weights does not exist.
        """
        pick(FROZEN_HEADS, self.head, "head")
        pick(SECOND_STAGES, self.second_stage, "second stage")
        self.check_shared(samplers=ROW_WEIGHTS, augmentations=VIEWS)
        self._check_layers()
        if self.side is not None:
            check_whole("side", self.side, minimum=1)
        check_whole("n_views", self.n_views, minimum=1)
        for part in self.features(side).parts:
            pretrained = None if self.pretrained is None else part.pretrained
            check_frozen_weights(find_backbone(part.network), pretrained, part.side or side)
        if self.second_stage == "tau_norm" and self.head_kind == COSINE:
            raise SettingError(
                "Expected a linear last layer for second_stage='tau_norm', got cosines, whose "
                "weights have one norm already. Use second_stage='crt'."
            )

    def _check_layers(self) -> None:
        for layer in self.layers:
            pick(LAYERS, layer, "layer")
        if not self.layers or len(set(self.layers)) < len(self.layers):
            raise SettingError(
                f"Expected layers as different names, at least one, got {list(self.layers)}."
            )
