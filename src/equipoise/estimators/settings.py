"""The settings of a classifier as a typed record, and the checks that need no data."""

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise.discovery import pick
from equipoise.estimators.finetuning import BATCH_NORMS, FROZEN, LIVE
from equipoise.estimators.pretraining import Pretraining
from equipoise.estimators.shared_settings import SharedSettings
from equipoise.exceptions import SettingError
from equipoise.networks.backbone import Backbone
from equipoise.networks.backbones import find_backbone, name_of
from equipoise.training.augmentation import AUGMENTATIONS
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.devices import PRECISIONS
from equipoise.training.mixing import MIXINGS
from equipoise.training.optimizers import OPTIMIZERS, SCHEDULES
from equipoise.validation import check_whole


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(SharedSettings):
    """The parameters of `ImageClassifier`, which describes them, as its fit reads them."""

    network: str | Backbone
    pretraining: Pretraining | None
    n_steps: int
    batch_size: int
    mixing: str
    optimizer: str
    learning_rate: float
    schedule: str
    precision: str
    evaluate_every: int
    patience: int | None
    second_stage_steps: int | None
    micro_batch_size: int | None
    layer_decay: float
    head_warmup: float
    batch_norm: str

    @property
    def n_warmup_steps(self) -> int:
        """Steps of `n_steps` in which the head is trained alone."""
        return int(self.head_warmup * self.n_steps)

    @property
    def n_second_steps(self) -> int:
        """Optimizer steps of the second stage; by default a quarter of those of the first."""
        if self.second_stage_steps is not None:
            return self.second_stage_steps
        return max(1, self.n_steps // 4)

    def check(self, side: int) -> None:
        """Raise unless these settings can work on images whose smaller side is `side` px.

        The second stage is checked by `second_stage.check_second_stage`.

        Raises:
            SettingError: A name is unknown, or a number out of range.
            DataError: The network cannot work on images of that side.
            WeightsError: The pretrained weights are not here and cannot be downloaded.
        """
        tables: tuple[tuple[str, Mapping[str, object], str], ...] = (
            ("mixing", MIXINGS, self.mixing),
            ("optimizer", OPTIMIZERS, self.optimizer),
            ("schedule", SCHEDULES, self.schedule),
            ("precision", PRECISIONS, self.precision),
            ("batch norm", BATCH_NORMS, self.batch_norm),
        )
        for kind, table, name in tables:
            pick(table, name, kind)
        self.check_shared(samplers=BATCH_SAMPLERS, augmentations=AUGMENTATIONS)
        backbone = find_backbone(self.network)
        backbone.check_side(side)
        self._check_numbers()
        self._check_finetuning()
        if self.pretraining is None:
            if self.pretrained is not None:
                backbone.check_weights(self.pretrained)
            return
        if not callable(getattr(self.pretraining, "trunk", None)):
            raise SettingError(
                "Expected pretraining as an estimator with a method `trunk`, got "
                f"{self.pretraining!r}."
            )
        if self.pretrained is not None:
            raise SettingError(
                "Expected pretrained or pretraining, got both: each replaces the other's weights."
            )
        self.pretraining.check_settings(name_of(self.network), side)

    def _check_numbers(self) -> None:
        check_whole("n_steps", self.n_steps, minimum=1)
        check_whole("batch_size", self.batch_size, minimum=2)
        if self.micro_batch_size is not None:
            check_whole("micro_batch_size", self.micro_batch_size, minimum=2)
        check_whole("evaluate_every", self.evaluate_every, minimum=1)
        if self.second_stage_steps is not None:
            check_whole("second_stage_steps", self.second_stage_steps, minimum=1)
        if self.patience is not None:
            check_whole("patience", self.patience, minimum=1)
            if not self.chosen_on_validation:
                raise SettingError(
                    f"Expected patience=None with keep_best='{self.keep_best}', got "
                    f"{self.patience}. Use a metric for keep_best, such as 'balanced_accuracy'."
                )
        if not self.learning_rate > 0:
            raise SettingError(f"Expected a positive learning_rate, got {self.learning_rate}.")

    def _check_finetuning(self) -> None:
        if not 0 < self.layer_decay <= 1 or not 0 <= self.head_warmup < 1:
            raise SettingError(
                "Expected a layer_decay above 0 and at most 1 and a head_warmup from 0 to below 1, "
                f"got {self.layer_decay} and {self.head_warmup}."
            )
        if self.batch_norm == FROZEN and self.pretrained is None and self.pretraining is None:
            raise SettingError(
                f"Expected pretrained weights with batch_norm='{FROZEN}', which keeps their "
                f"statistics, got none. Pass pretrained, or batch_norm='{LIVE}'."
            )
