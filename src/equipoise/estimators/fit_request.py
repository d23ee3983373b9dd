"""The data and settings that the stages of a classifier's fit work on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import equipoise
from equipoise.arrays import LabeledImages, Labels, ValueRange, content_key
from equipoise.atomic import remove_file
from equipoise.estimators.settings import ClassifierSettings
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageSource, select
from equipoise.marked_images import Mask
from equipoise.networks.backbone import Backbone
from equipoise.training.checkpoint import Checkpoint, Stateful
from equipoise.validation import check_classes

NETWORK, HEAD = ".pt", "-head.pt"  # suffixes of the checkpoints of the two stages


@dataclass(frozen=True, kw_only=True, eq=False)
class FitRequest:
    """Checked images with encoded labels, and the settings of the fit.

    Attributes:
        images: (n, c, h, w) training images in storage type.
        codes: (n,) classes 0..k-1.
        synthetic: (n,) True where the image is synthetic.
        validation: Validation images and codes, or None.
        span: Values of black and white.
        device: Device of the network.
        backbone: Record of the network.
        settings: Parameters of the `ImageClassifier`.
        sample_weight: (n,) factors of the images' losses; None for 1.
        file: Path of the checkpoints without its suffix; None writes none.
    """

    images: ImageSource
    codes: Labels
    synthetic: Mask
    validation: LabeledImages | None
    span: ValueRange
    device: torch.device
    backbone: Backbone
    settings: ClassifierSettings
    sample_weight: NDArray[np.float32] | None = None
    file: Path | None = None

    def in_workspace(
        self,
        workspace: Path | None,
        classes: NDArray[Any],
        parameters: Sequence[tuple[str, object]],
    ) -> "FitRequest":
        """Return the request with checkpoints named by everything that the fit depends on.

        Args:
            workspace: Folder of the checkpoints; None for none.
            classes: (k,) labels.
            parameters: Parameters of the classifier, nested ones too, sorted by name.
        """
        if workspace is None:
            return self
        key = content_key(
            self.images,
            self.codes,
            classes.astype(np.int64) if classes.dtype.kind in "iu" else classes.tolist(),
            self.synthetic,
            *(self.validation or (None, None)),
            parameters,
            equipoise.__version__,
            *(() if self.sample_weight is None else (self.sample_weight,)),
        )
        return replace(self, file=Path(workspace) / f"classifier-{key[:32]}")

    def checkpoint(self, suffix: str, parts: Mapping[str, Stateful]) -> Checkpoint | None:
        """Return the checkpoint of one stage, which stays until `finish` removes it."""
        if self.file is None:
            return None
        return Checkpoint(self.file.with_name(self.file.name + suffix), parts)

    def finish(self) -> None:
        """Remove all checkpoints: the fit is complete."""
        if self.file is None:
            return
        # the network's last: a fit killed in between can still resume
        for suffix in (HEAD, NETWORK):
            remove_file(self.file.with_name(self.file.name + suffix))


def check_sample_weight(
    sample_weight: ArrayLike | None, n: int, *, second_stage: str
) -> NDArray[np.float32] | None:
    """Return weights (n,), or None where there are none.

    Raises:
        DataError: Not n finite numbers of at least 0, or all of them 0.
        SettingError: A second stage follows, which would ignore them.
    """
    if sample_weight is None:
        return None
    if second_stage != "none":
        raise SettingError(
            f"Expected second_stage='none' with sample_weight, got '{second_stage}', which trains "
            "on batches of its own."
        )
    weights = np.asarray(sample_weight, dtype=np.float32)
    weights = np.full(n, weights) if weights.ndim == 0 else weights
    if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(
            f"Expected sample_weight as {n} finite numbers of at least 0, one for each image, got "
            f"shape {weights.shape}, or negative numbers or NaN. Sample weights must be 1D array "
            "or scalar."
        )
    if not weights.any():
        raise DataError("Expected a sample_weight above 0, got zeros for all images.")
    return weights


def encode_validation(
    images: ImageSource, labels: NDArray[Any], classes: NDArray[Any], keep_best: str
) -> LabeledImages:
    """Return the validation images whose label is in `classes`, and their codes.

    Raises:
        DataError: Bad labels, or no class by which `keep_best` can choose the weights.
    """
    labels = check_classes(labels, len(images), name="validation labels")
    rows = np.isin(labels, classes)
    occurring = np.unique(labels[rows])
    if len(occurring) < (2 if keep_best == "auroc" else 1):
        raise DataError(
            f"Expected validation images of the classes {classes.tolist()} for "
            f"keep_best='{keep_best}', got images of {occurring.tolist()}. Hold out more, or use "
            "keep_best='last'."
        )
    return select(images, rows), np.searchsorted(classes, labels[rows]).astype(np.int64)
