"""`BaseSegmenter`: what all segmenters of scans have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import DataError
from equipoise.randomness import Seeded


class BaseSegmenter(Seeded, BaseEstimator, ABC):
    """A scikit-learn estimator that maps the modalities of a scan to a label map.

    Attributes:
        class_names_: Names of the k classes; class 0 is healthy tissue.
        modalities_: Names of the c channels that scans must have, in that order.
        regions_: Name -> classes of the regions.
        tau_: Strength of the prior correction, 0 to 1; 0 without it.
        notes_: Sentences about what went wrong in the training; usually none.
        seconds_: Duration of the training and of the tuning on the validation cases.
    """

    class_names_: tuple[str, ...]
    modalities_: tuple[str, ...]
    regions_: dict[str, tuple[int, ...]]
    seconds_: float

    @abstractmethod
    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: str | Path | None = None,
    ) -> Self:
        """Train on cases; a fit that was killed resumes from its checkpoint, to the same weights.

        Args:
            train: Cases with label maps.
            validation: Real cases of other patients with the same classes and modalities; they
                choose weights and thresholds.
            workspace: Folder of checkpoints and finished trainings, which several processes may
                share; None stores nothing.

        Raises:
            DataError: No voxels to draw, or validation cases of another kind.
            SettingError: A setting is unknown or out of range.
            DivergedError: A loss became NaN or infinite.
        """

    @abstractmethod
    def probabilities(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return (k, z, y, x) probabilities that sum to 1; outside the mask class 0 has all.

        Args:
            images: (c, z, y, x) modalities.
            mask: (z, y, x) True in the brain.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: Images of other modalities, or a mask of another shape or type.
        """

    @abstractmethod
    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the (z, y, x) class of each voxel, 0 outside the mask; see `probabilities`."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the fitted segmenter to a new folder, without history and frequencies.

        Raises:
            NotFittedError: `fit` has not been called.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """Read what `save` wrote, for prediction only.

        Raises:
            DataError: The folder contains no segmenter of this class.
            SettingError: The device does not exist.
        """

    @abstractmethod
    def check_settings(self, size: int | None = None) -> None:
        """Raise unless the settings can work, before any case is read.

        Args:
            size: Smaller side of the slices in px; ignored, since patches may exceed a scan.

        Raises:
            SettingError: A name is unknown, a number out of range, or two settings contradict.
        """

    def _set_classes(
        self,
        class_names: Sequence[str],
        modalities: Sequence[str],
        regions: Mapping[str, Sequence[int]],
    ) -> None:
        """Store what label maps and scans consist of; sequences may come from JSON."""
        self.class_names_ = tuple(class_names)
        self.modalities_ = tuple(modalities)
        self.regions_ = {name: tuple(classes) for name, classes in regions.items()}


def check_same_kind(train: VolumeDataset, validation: VolumeDataset | None) -> None:
    """Raise unless validation cases have the modalities and classes of the training cases.

    Raises:
        DataError: Names both.
    """
    if validation is None:
        return
    expected = (train.modalities, train.class_names)
    actual = (validation.modalities, validation.class_names)
    if actual != expected:
        raise DataError(
            "Expected validation cases with the modalities and classes of the training cases, "
            f"{expected}, got {actual}."
        )
