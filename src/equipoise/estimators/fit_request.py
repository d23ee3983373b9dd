"""What the stages of a classifier's fit work on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels, ValueRange
from equipoise.exceptions import DataError
from equipoise.networks.backbone import Backbone
from equipoise.training.checkpoint import Checkpoint, Stateful

Held = tuple[Images, Labels]  # real validation images and their labels
Mask = NDArray[np.bool_]  # (n,) True where an image is synthetic
NETWORK, HEAD = ".pt", "-head.pt"  # endings of the checkpoints of both stages


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Checked images with encoded labels, and what is asked of the fit.

    Attributes:
        images: (n, c, h, w) training images in storage type.
        codes: (n,) classes 0..k-1.
        synthetic: (n,) True where the image is synthetic.
        held: Validation images and codes, or None.
        span: Values of black and white.
        device: Where the network is.
        backbone: Record of the network that is trained.
        asked: Parameters of the `ImageClassifier`.
        file: Path of the checkpoints without its ending; None keeps none.
    """

    images: Images
    codes: Labels
    synthetic: Mask
    held: Held | None
    span: ValueRange
    device: torch.device
    backbone: Backbone
    asked: Mapping[str, Any]
    file: Path | None

    def checkpoint(self, ending: str, parts: Mapping[str, Stateful]) -> Checkpoint | None:
        """Make the checkpoint of one stage. It stays when the stage is done: only `finish` removes it."""
        if self.file is None:
            return None
        return Checkpoint(self.file.with_name(self.file.name + ending), parts)

    def finish(self) -> None:
        """Remove all checkpoints: the fit is complete."""
        if self.file is not None:
            for ending in (
                HEAD,
                NETWORK,
            ):  # in this order: what is left must be found by the next attempt
                self.file.with_name(self.file.name + ending).unlink(missing_ok=True)


def check_mask(synthetic: Any, n: int) -> Mask:
    """Return (n,) booleans, all False for None.

    Raises:
        DataError: Another shape or type.
    """
    mask = np.zeros(n, dtype=bool) if synthetic is None else np.asarray(synthetic)
    if mask.shape != (n,) or mask.dtype != bool:
        raise DataError(
            f"Expected synthetic as {n} booleans, one for each image, got {mask.dtype} {mask.shape}."
        )
    return mask
